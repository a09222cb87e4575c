"""A tap or target as a process: its lines come without blocking for long, and it ends with all that it started."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import structlog

from syncline.server.requests.connectors.contract import ConnectorError
from syncline.server.requests.connectors.singer.limits import (
    LINE_BYTES_MAX,
    LINES_WAITING_MAX,
    STDERR_TAIL_BYTES,
    STOP_SECONDS,
)
from syncline.storage.trace_context import current_trace_context

_log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.25
"""How often what waits asks whether it is to stop."""
_STDERR_READ_BYTES = 65_536


class Stopped(Exception):
    """The run is to end."""


class Process:
    """One run of a program, in a session of its own. Use it in a `with` block: leaving it ends the program.

    Raises:
        ConnectorError: the program cannot be started.
    """

    def __init__(self, arguments: Sequence[str | Path], directory: Path, *, takes_input: bool = False) -> None:
        self.name = Path(arguments[0]).name
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the operator installed the program
                [str(argument) for argument in arguments],
                stdin=subprocess.PIPE if takes_input else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=directory,
                env=_environment(directory),
                start_new_session=True,
            )
        except OSError as error:
            raise ConnectorError(f"{self.name} cannot be started: {error.strerror}", for_good=True) from error
        self._lines: queue.Queue[bytes | None] = queue.Queue(LINES_WAITING_MAX)
        self._ending = threading.Event()
        self._stderr_tail = b""
        self._readers = [
            threading.Thread(target=self._read_stdout, name=f"{self.name} stdout", daemon=True),
            threading.Thread(target=self._read_stderr, name=f"{self.name} stderr", daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def lines(self, stopped: Callable[[], bool], silence_seconds: float) -> Iterator[bytes]:
        """The lines of its output, to the end.

        Raises:
            Stopped: the run is to end.
            ConnectorError: it was silent for too long, printed a line that is too long, or ended with another status
                than 0.
        """
        heard = time.monotonic()
        while True:
            try:
                line = self._lines.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if stopped():
                    raise Stopped from None
                if time.monotonic() - heard > silence_seconds:
                    why = f"{self.name} said nothing for {silence_seconds:,.0f} seconds{self._last_words()}"
                    raise ConnectorError(why, for_good=False) from None
                continue
            if line is None:
                break
            if len(line) > LINE_BYTES_MAX:
                raise ConnectorError(f"{self.name} printed a line of over {LINE_BYTES_MAX:,} bytes", for_good=True)
            heard = time.monotonic()
            yield line
        self._check_status()

    def waiting_lines(self) -> Iterator[bytes]:
        """The lines of its output that are there already."""
        with contextlib.suppress(queue.Empty):
            while (line := self._lines.get_nowait()) is not None:
                yield line
            self._lines.put(None)  # the end, for the one who reads the rest

    def send(self, line: bytes) -> None:
        """Write one line to its input. Waits while it takes none.

        Raises:
            ConnectorError: it has ended.
        """
        assert self._process.stdin is not None  # noqa: S101 - made with input
        try:
            self._process.stdin.write(line + b"\n")
        except OSError as error:
            self._process.wait()
            self._check_status()
            raise ConnectorError(f"{self.name} ended before it had taken everything", for_good=False) from error

    def end_input(self) -> None:
        """Say that no more comes."""
        assert self._process.stdin is not None  # noqa: S101 - made with input
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the program and everything that it started."""
        self._ending.set()
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS if self._process.poll() is None else 0)
        self._signal(signal.SIGKILL)  # the group, be the program itself gone
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _check_status(self) -> None:
        status = self._process.wait()
        if status:
            self._readers[1].join(_LOOK_SECONDS)  # its last words may still be on their way
            raise ConnectorError(f"{self.name} ended with status {status}{self._last_words()}", for_good=False)

    def _last_words(self) -> str:
        """The last line that it told on stderr."""
        said = self._stderr_tail.decode(errors="replace").strip().splitlines()
        return f": {said[-1].strip()}" if said else ""

    def _read_stdout(self) -> None:
        pipe = self._pipe(self._process.stdout)
        while line := pipe.readline(LINE_BYTES_MAX + 1):
            if not self._put(line):
                return
        self._put(None)

    def _put(self, line: bytes | None) -> bool:
        """Hand a line on; False: nobody takes any more."""
        while not self._ending.is_set():
            with contextlib.suppress(queue.Full):
                self._lines.put(line, timeout=_LOOK_SECONDS)
                return True
        return False

    def _read_stderr(self) -> None:
        pipe = self._pipe(self._process.stderr)
        while said := os.read(pipe.fileno(), _STDERR_READ_BYTES):
            self._stderr_tail = (self._stderr_tail + said)[-STDERR_TAIL_BYTES:]
            _log.debug("a connector says", program=self.name, bytes=len(said))

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None  # noqa: S101 - both are pipes
        return pipe


def _environment(directory: Path) -> dict[str, str]:
    """Ours is not its: the server's environment holds the server's secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE") if name in os.environ}
    context = current_trace_context()
    if context is not None:
        kept["TRACEPARENT"] = context  # the programs that know it go on with the run's trace
    return {**kept, "HOME": str(directory), "TMPDIR": str(directory), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
