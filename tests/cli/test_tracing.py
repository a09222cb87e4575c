"""Spans of commands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Syncline


def test_a_command_without_the_sdk_says_so_once_and_goes_on(
    syncline: Syncline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "syncline.telemetry.file_exporter", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    file = tmp_path / "traces.jsonl"

    ended = syncline("status", tmp_path / "none.db", SYNCLINE_TRACE_FILE=str(file))

    warning, error = ended.stderr.splitlines()
    assert warning == f"warning: no spans are written to {file}: that needs opentelemetry-sdk"
    assert error.startswith("error: ")
    assert not file.exists()


@pytest.mark.parametrize("name", ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_SPAN_LINK_COUNT_LIMIT"])
def test_a_variable_that_makes_no_sense_is_told_and_the_command_goes_on(
    syncline: Syncline, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "traces.jsonl"

    ended = syncline("status", tmp_path / "none.db", SYNCLINE_TRACE_FILE=str(file), **{name: "many"})

    warning, error = ended.stderr.splitlines()
    assert warning.startswith(f"warning: no spans are written to {file}: OTEL_*: ")
    assert error.startswith("error: ")
