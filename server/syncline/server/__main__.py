"""`syncline-server`: the entry point."""

from __future__ import annotations

import os
import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line. Ctrl-C ends it quietly from the first moment on, while its modules are still loading.

    gRPC's own log is off unless its variable is set: it writes what strangers send, line breaks included, as it came.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from syncline.server.commands.app import run  # noqa: PLC0415 - see above

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
