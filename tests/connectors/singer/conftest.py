from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.server.requests.connectors.contract import Job

HERE = Path(__file__).parent
THING = ObjectType(
    "thing",
    "main",
    (
        Field("id", FieldType.INTEGER, required=True),
        Field("name", FieldType.STRING),
        Field("price", FieldType.DECIMAL),
        Field("day", FieldType.DATE),
        Field("at", FieldType.TIMESTAMP),
    ),
    primary_key=("id",),
)
SCHEMA = Schema(1, (THING,))


@pytest.fixture
def connectors_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the programs of the tests are installed, as `syncline-server connectors install` does it."""
    programs = tmp_path / "connectors" / "tests" / "bin"
    programs.mkdir(parents=True)
    for program, source in (("tap-unruly", "unruly_tap.py"), ("target-file", "file_target.py")):
        path = programs / program
        path.write_text(f"#!{sys.executable}\n{(HERE / source).read_text()}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("SYNCLINE_CONNECTORS_DIR", str(tmp_path / "connectors"))
    return tmp_path / "connectors"


@pytest.fixture
def tap_job(connectors_dir: Path) -> Callable[..., Job]:
    """Makes a job that runs the tap with this configuration."""

    def job(
        *,
        full: bool = False,
        cursor: str = "",
        secrets: Mapping[str, str] | None = None,
        stopped: Callable[[], bool] = lambda: False,
        silence_seconds: float = 60,
        **config: Any,
    ) -> Job:
        settings = {
            "tap": "tests/tap-unruly",
            "config": config,
            "streams": {"things": "thing"},
            "silence_seconds": silence_seconds,
        }
        return Job(settings, secrets or {}, SCHEMA, full=full, cursor=cursor, stopped=stopped)

    return job
