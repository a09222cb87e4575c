"""Programs that tests run beside themselves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple


class Program(NamedTuple):
    """A running program, and its output line by line."""

    process: subprocess.Popen[str]
    output: IO[str]


@contextmanager
def running_program(command: Sequence[str | Path], *, stderr: int | None = None) -> Iterator[Program]:
    """Run a program, until it ends or the block does: a test that fails or times out leaves none behind."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=env) as process:
        assert process.stdout is not None
        try:
            yield Program(process, process.stdout)
        finally:
            process.kill()
