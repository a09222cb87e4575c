"""Ctrl-C and SIGTERM: what runs is stopped where it can be, not at any line of any code.

An exception at any line may be raised where it is swallowed, as in a `__del__`, or where a lock stays taken, as in
gRPC; the command then goes on, or waits for ever. So a thread hears of the signal and stops what has a way to be
stopped. What has none, or does not end soon, is interrupted by an exception, and at the very last the process ends: a
device file is whole at any moment.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread, get_ident
from types import FrameType
from typing import Final

from syncline.cli import INTERRUPTED

PATIENCE_S: Final = 4.0
"""How long what was stopped may take to end, and how long an exception may take to end the rest."""

_AGAIN_S = 0.1
"""What had not begun could not be stopped: it is told so again."""


class Interrupts:
    """The signals of one command line. Commands share one: `interrupts`."""

    def __init__(self) -> None:
        self._stop: Callable[[], object] | None = None
        self._heard = False
        self._count = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the signals while the block runs; only the main thread may. A signal that is ignored stays so."""
        self._heard, self._count = False, 0
        heard, tell = socket.socketpair()
        tell.setblocking(False)
        numbers = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._interrupt) for number in numbers}
        before_fd = signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
        listen = (get_ident(), heard, numbers)
        thread = Thread(target=self._listen, args=listen, name="syncline-interrupts", daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before_fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            tell.close()
            thread.join()
            heard.close()

    @contextmanager
    def stopped_by(self, stop: Callable[[], object]) -> Iterator[None]:
        """Have the first signal call `stop`, from another thread, and end the block as soon as that has worked.

        `stop` may be called again and again until then.

        Raises:
            KeyboardInterrupt: the block was stopped.
        """
        self._stop = stop
        try:
            yield
        except Exception:
            if not self._heard:
                raise  # else it is what became of the stop, as the end of a call
        finally:
            self._stop = None
        if self._heard:
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """What the main thread does at a signal, at any line."""
        del number, frame
        self._count += 1
        if self._stop is None or self._count > 1:
            raise KeyboardInterrupt

    def _listen(self, main: int, heard: socket.socket, numbers: list[signal.Signals]) -> None:
        """Until the block has ended: wait for a signal, then see to it that the command ends."""
        while number := heard.recv(1):
            if number[0] in numbers:
                break
        else:
            return
        self._heard = True
        for interrupt in (True, False):
            patient_until = time.monotonic() + PATIENCE_S
            while (left_s := patient_until - time.monotonic()) > 0:
                stop = self._stop
                if stop is not None:
                    stop()
                heard.settimeout(min(left_s, _AGAIN_S))
                try:
                    if not heard.recv(1):
                        return
                except TimeoutError:
                    continue
            if not interrupt:
                os._exit(INTERRUPTED)
            signal.pthread_kill(main, number[0])


interrupts = Interrupts()
