"""The log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from syncline.server.config import LogFormat, LogLevel
from syncline.server.logs import set_up_logs


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_traceback_tells_where_but_no_values(log_format: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(password: str) -> None:
        raise RuntimeError("no luck")

    set_up_logs(LogLevel.INFO, log_format)
    try:
        fail("hunter2".upper())
    except RuntimeError as error:
        structlog.get_logger("test").error("call failed", exc_info=error)

    logged = capsys.readouterr().err
    assert "no luck" in logged
    assert "in fail" in logged
    assert "HUNTER2" not in logged
