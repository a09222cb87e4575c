from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry import trace

from syncline.data.fields import check_record
from syncline.data.trace_context import decode
from syncline.server.requests.connectors.contract import ConnectorError, Incoming, IncomingRow, Job
from syncline.server.requests.connectors.singer import connector
from syncline.server.requests.connectors.singer.values import RecordValues
from tests.connectors.singer.conftest import THING
from tests.harness.spans import recorded_spans

MakeJob = Callable[..., Job]


def rows_of(batches: Iterator[Incoming]) -> list[IncomingRow]:
    return [row for batch in batches for row in batch.rows]


def test_rows_come_typed_as_the_fields_want_them(tap_job: MakeJob) -> None:
    batches = list(connector.read(tap_job(rows=3)))
    first = batches[0].rows[0]
    assert first.data == {
        "id": 1,
        "name": "thing 1",
        "price": "0.1",
        "day": "2013-01-02",
        "at": "2013-01-02T05:00:00Z",
    }
    check_record(THING, first.data)
    assert (first.object_type, first.source_key) == ("thing", "[1]")
    assert json.loads(batches[-1].cursor) == {"last": 3}
    assert sum(batch.bytes_read for batch in batches) > 100


@pytest.mark.parametrize(
    ("came", "is_held_as"),
    [
        ("2013-01-02 05:00:00", "2013-01-02T05:00:00Z"),
        ("2013-01-02T05:00:00.000000+00:00", "2013-01-02T05:00:00Z"),
        ("2013-01-02T05:00:00.120000+00:00", "2013-01-02T05:00:00.120000Z"),
        ("2013-01-02T05:00:00+01:00", "2013-01-02T05:00:00+01:00"),
        ("yesterday", "yesterday"),
    ],
)
def test_a_moment_of_utc_is_written_in_one_way(came: str, is_held_as: str) -> None:
    assert RecordValues(THING).data({"at": came}) == {"at": is_held_as}


def test_columns_can_be_left_out(tap_job: MakeJob) -> None:
    job = tap_job(rows=1)
    streams = {"things": {"object_type": "thing", "leave_out": ["at", "day", "id"]}}
    (row,) = rows_of(connector.read(replace(job, settings={**job.settings, "streams": streams})))
    assert row.data == {"name": "thing 1", "price": "0.1"}
    assert row.source_key == "[1]"


def test_a_delta_goes_on_from_the_state(tap_job: MakeJob) -> None:
    rows = rows_of(connector.read(tap_job(rows=10, cursor='{"last":7}')))
    assert [row.data["id"] for row in rows] == [8, 9, 10]


def test_batches_stay_small_and_each_cursor_covers_what_came_before_it(tap_job: MakeJob) -> None:
    handed_on = 0
    for batch in connector.read(tap_job(rows=2_500)):
        handed_on += len(batch.rows)
        assert len(batch.rows) <= 1_000
        assert json.loads(batch.cursor)["last"] <= handed_on
    assert handed_on == 2_500


def test_what_a_tap_gave_before_it_failed_is_handed_on(tap_job: MakeJob) -> None:
    got: list[Incoming] = []
    with pytest.raises(ConnectorError, match="ended with status 1: the source went away") as failed:
        got.extend(connector.read(tap_job(behave="fail half way", rows=5_000)))
    assert not failed.value.for_good
    assert sum(len(batch.rows) for batch in got) == 2_000  # the rest was not covered yet, and comes again


@pytest.mark.parametrize(
    ("behave", "message", "for_good"),
    [
        ("garbage", "no Singer message: 'Traceback", True),
        ("no schema", "before it said what such records are like", True),
        ("flood", "a line of over", True),
    ],
)
def test_a_tap_that_breaks_the_rules_ends_the_run(tap_job: MakeJob, behave: str, message: str, for_good: bool) -> None:
    with pytest.raises(ConnectorError, match=message) as failed:
        list(connector.read(tap_job(behave=behave)))
    assert failed.value.for_good is for_good


def test_a_tap_that_hangs_is_ended_after_the_silence(tap_job: MakeJob) -> None:
    with pytest.raises(ConnectorError, match="said nothing for") as failed:
        list(connector.read(tap_job(behave="hang", silence_seconds=0.3)))
    assert not failed.value.for_good


def test_a_tap_that_floods_stderr_does_no_harm(tap_job: MakeJob) -> None:
    assert len(rows_of(connector.read(tap_job(behave="flood stderr", rows=30)))) == 30


def test_a_state_that_goes_back_only_makes_rows_come_again(tap_job: MakeJob) -> None:
    batches = list(connector.read(tap_job(behave="state goes back", rows=10)))
    again = rows_of(connector.read(tap_job(rows=10, cursor=batches[-1].cursor)))
    assert [row.data["id"] for row in again] == list(range(2, 11))


def test_a_row_that_the_tap_marks_as_deleted_is_deleted(tap_job: MakeJob) -> None:
    (row,) = rows_of(connector.read(tap_job(behave="deletes")))
    assert row.deleted
    assert row.source_key == "[1]"


def test_a_stop_ends_the_tap_with_all_that_it_started(tap_job: MakeJob, tmp_path: Path) -> None:
    stop = threading.Event()
    child = tmp_path / "child"
    job = tap_job(behave="hang stubbornly", child=str(child), stopped=stop.is_set)
    reading = threading.Thread(target=lambda: list(connector.read(job)))
    reading.start()
    while not (child.exists() and child.read_text()):
        time.sleep(0.05)
    stop.set()
    reading.join(timeout=30)
    assert not reading.is_alive()
    assert not _runs(int(child.read_text()))


def test_closing_the_rows_ends_the_tap(tap_job: MakeJob) -> None:
    before = threading.active_count()
    batches = connector.read(tap_job(rows=50_000))
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_secrets_are_in_the_configuration_and_nowhere_else(
    tap_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCLINE_SECRET_KEY", "server-secret")
    told = tmp_path / "told.json"
    job = tap_job(tell_arguments=str(told), login={"user": "me"}, secrets={"login.password": "tap-secret"})
    rows_of(connector.read(job))
    seen = json.loads(told.read_text())
    assert seen["config"]["login"] == {"user": "me", "password": "tap-secret"}
    assert "tap-secret" not in json.dumps([seen["arguments"], seen["environment"]])
    assert "server-secret" not in json.dumps(seen)
    assert "password" not in job.settings["config"]["login"]
    config = Path(seen["arguments"][seen["arguments"].index("--config") + 1])
    assert not config.parent.exists()


def test_a_tap_can_go_on_with_the_trace_of_its_run(tap_job: MakeJob, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    with recorded_spans(), trace.get_tracer(__name__).start_as_current_span("run") as span:
        rows_of(connector.read(tap_job(tell_arguments=str(told))))
    context = span.get_span_context()
    told_context = json.loads(told.read_text())["environment"]["TRACEPARENT"]
    assert decode(told_context) == (context.trace_id, context.span_id)


def test_check_finds_the_streams(tap_job: MakeJob) -> None:
    assert connector.check(tap_job()) == "2 streams, the 1 that are wanted among them"


def _runs(pid: int) -> bool:
    """Is the process there, and no zombie?"""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
