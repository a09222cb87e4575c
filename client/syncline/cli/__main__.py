"""`syncline`: the entry point."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; it needs the extra `cli`, and says so if that is not installed."""
    try:
        from syncline.cli.app import run  # noqa: PLC0415 - its absence is an answer of its own
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit("error: the command line is not installed; run: pip install 'syncline[cli]'")
    run()


if __name__ == "__main__":
    main()
