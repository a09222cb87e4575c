"""`syncline`: the entry point."""

from __future__ import annotations

import sys

from syncline.cli import INTERRUPTED


def main() -> None:
    """Run the command line; it needs the extra `cli`, and says so if that is not installed.

    Ctrl-C ends it quietly from the first moment on, while its modules are still loading.
    """
    try:
        from syncline.cli.app import run  # noqa: PLC0415 - see above

        run()
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit("error: the command line is not installed; run: pip install 'syncline[cli]'")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
