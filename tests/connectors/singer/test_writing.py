from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from syncline.server.requests.connectors.contract import ConnectorError, Job, Outgoing
from syncline.server.requests.connectors.singer import connector
from tests.connectors.singer.conftest import SCHEMA


def job(file: Path, **config: Any) -> Job:
    settings = {"target": "tests/target-file", "config": {"file": str(file), **config}}
    return Job(settings, {}, SCHEMA, full=False, cursor="")


def records(count: int) -> list[Outgoing]:
    return [Outgoing("thing", f"[{number}]", {"id": number}, 10 * number) for number in range(1, count + 1)]


def test_a_target_gets_schema_and_records_and_says_what_it_stored(connectors_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "out"
    stored = list(connector.write(job(file), iter([*records(2_500), Outgoing("thing", "[1]", None, 25_001)])))
    assert stored[-1] == 25_001
    assert stored == sorted(stored)
    schema, *rows = map(json.loads, file.read_text().splitlines())
    assert schema["key_properties"] == ["id"]
    assert [row["record"]["id"] for row in rows] == [*range(1, 2_501), 1]
    assert "_sdc_deleted_at" in rows[-1]["record"]


def test_what_a_target_stored_before_it_failed_is_told(connectors_dir: Path, tmp_path: Path) -> None:
    stored: list[int] = []
    with pytest.raises(ConnectorError, match="target-file") as failed:
        stored.extend(connector.write(job(tmp_path / "out", fail_after=1_500), iter(records(50_000))))
    assert not failed.value.for_good
    assert all(revision <= 15_000 for revision in stored)


def test_a_target_that_is_there_passes_its_check(connectors_dir: Path, tmp_path: Path) -> None:
    assert connector.check(job(tmp_path / "out")) == "tests/target-file is installed"
