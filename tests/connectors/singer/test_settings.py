from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncline.server.requests.connectors.contract import ConnectorError
from syncline.server.requests.connectors.singer import connector
from tests.connectors.singer.test_reading import MakeJob

GOOD: dict[str, Any] = {"tap": "env/tap-x", "streams": {"s": "thing"}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "name a `tap`"),
        ({"tap": "tap-x", "streams": {"s": "thing"}}, "tap: must be ENVIRONMENT/PROGRAM"),
        ({"tap": "../../bin/sh", "streams": {"s": "thing"}}, "tap: must be ENVIRONMENT/PROGRAM"),
        ({"tap": "env/tap-x"}, "streams: name at least one"),
        ({**GOOD, "stream": 1}, "stream: Extra inputs"),
        ({**GOOD, "silence_seconds": 0}, "silence_seconds: "),
        ({**GOOD, "streams": {"s": {"key": "id"}}}, "streams.s.object_type: Field required"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConnectorError, match=message) as failed:
        connector.check_settings(settings, {})
    assert failed.value.for_good


def test_a_secret_needs_its_place() -> None:
    with pytest.raises(ConnectorError, match="which is no object"):
        connector.check_settings({**GOOD, "config": {"a": 1}}, {"a.password": "x"})


def test_a_program_that_is_not_installed_is_named(tap_job: MakeJob, connectors_dir: Path) -> None:
    job = tap_job()
    settings = {**job.settings, "tap": "tests/tap-absent"}
    with pytest.raises(ConnectorError, match=r"connectors install PACKAGE` with tests") as failed:
        list(connector.read(replace(job, settings=settings)))
    assert failed.value.for_good


def test_a_stream_that_is_not_there_is_named_with_the_nearest(tap_job: MakeJob) -> None:
    job = tap_job()
    settings = {**job.settings, "streams": {"thing": "thing"}}
    with pytest.raises(ConnectorError, match="did you mean 'things'"):
        list(connector.read(replace(job, settings=settings)))
