"""The command line of users: synchronises device files and reads them."""

from typing import Final

INTERRUPTED: Final = 130
"""The status of a command that Ctrl-C or SIGTERM ended."""
