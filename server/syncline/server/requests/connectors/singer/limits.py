"""How much of a tap or target is borne."""

from __future__ import annotations

from typing import Final

LINE_BYTES_MAX: Final = 8 * 1024 * 1024
"""A record has at most 1 MiB; escaped, and with what else a message holds, its line may be longer."""
LINES_WAITING_MAX: Final = 2_000
"""Lines that were read and wait to be taken; a tap that floods is held back by its pipe."""
STDERR_TAIL_BYTES: Final = 4_096
"""Of what a process tells on stderr: enough for the last lines of a traceback."""
SILENCE_SECONDS: Final = 600.0
"""A tap that says nothing for this long hangs. A setting of the enrollment changes it."""
STOP_SECONDS: Final = 5.0
"""After SIGTERM a process may write its last state; then it is killed with all that it started."""
BATCH_ROWS: Final = 1_000
"""Rows that are handed on together."""
EXCERPT_CHARS: Final = 100
"""Of what a process printed that cannot be understood."""
