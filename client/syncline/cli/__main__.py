"""`syncline`: the entry point."""

from __future__ import annotations

import os
import sys

from syncline.cli import INTERRUPTED


def main() -> None:
    """Run the command line; it needs the extra `cli`, and says so if that is not installed.

    Ctrl-C ends it quietly from the first moment on, while its modules are still loading. gRPC's own log is off unless
    its variable is set: what a user can mend is told in one line.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
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
