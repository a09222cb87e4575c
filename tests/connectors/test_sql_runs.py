"""Sync requests whose connector is `sql`, run to the end: a database, a store, and records between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from syncline.data.schema import Field, FieldType
from syncline.server.requests.connectors.registry import Connectors
from syncline.storage import open_store
from syncline.storage.request_models import Operation, Progress
from syncline.storage.request_states import RequestStatus
from tests.connectors.sql_sources import SQL, PostgresNotes, SqliteNotes
from tests.connectors.working import ACCOUNT, ENROLLMENT_ID, Site

Notes = SqliteNotes | PostgresNotes


@pytest.fixture
def site(sqlite_url: str, sql_notes: Notes) -> Iterator[Site]:
    with closing(open_store(sqlite_url)) as store:
        made = Site(store)
        made.declare()
        made.runner = made.runner_with(Connectors({"sql": SQL}))
        table = {"table": "notes", "key": ["id"], "cursor": "changed"}
        made.enroll(url=sql_notes.settings["url"], tables={"note": table}, batch_rows=4)
        [known] = store.list_enrollments(ACCOUNT)
        own = replace(known, connector="sql", modified_at=known.modified_at + 1)
        store.put_enrollment(ACCOUNT, own, expected_modified_at=known.modified_at)
        yield made


def test_tables_become_records_and_stay_so(site: Site, sql_notes: Notes) -> None:
    notes = {number: f"note {number}" for number in range(1, 21)}
    sql_notes.put(notes)
    first = site.run(site.ask(full=True))
    assert (first.status, first.progress) == (RequestStatus.SUCCESS, Progress(read=20, inserted=20, estimate=20))
    sql_notes.put({7: "changed", 21: "new"})
    sql_notes.remove(8)
    delta = site.run(site.ask())
    # The newest row of the run before comes again, to no effect.
    assert delta.progress == Progress(read=3, inserted=1, updated=1, skipped=1)
    full = site.run(site.ask(full=True))
    assert full.progress == Progress(read=20, deleted=1, skipped=20, estimate=20)
    del notes[8]
    assert site.texts() == {str(number): text for number, text in (notes | {7: "changed", 21: "new"}).items()}


def test_records_become_rows(site: Site, sql_notes: Notes) -> None:
    sql_notes.put({1: "a", 2: "b"})
    site.run(site.ask(full=True))
    sql_notes.run("DELETE FROM notes")
    assert site.run(site.ask(Operation.WRITE)).status is RequestStatus.SUCCESS
    assert sql_notes.notes() == {1: "a", 2: "b"}


def test_a_failed_check_says_what_is_missing(site: Site, sql_notes: Notes) -> None:
    sql_notes.run("DROP TABLE notes")
    request = site.run(site.ask(Operation.CHECK))
    assert request.status is RequestStatus.FAILED
    assert request.result_message == "0 of 1 tables are there; there is no table notes"
    assert request.enrollment_id == ENROLLMENT_ID


def test_tables_bring_their_schema_and_what_it_gains(site: Site, sql_notes: Notes) -> None:
    table = {"table": "notes", "key": ["id"]}
    [known] = site.store.list_enrollments(ACCOUNT)
    settings = {"url": sql_notes.settings["url"], "tables": {"copied": table}, "schema": "inferred"}
    own = replace(known, settings=json.dumps(settings), modified_at=known.modified_at + 1)
    site.store.put_enrollment(ACCOUNT, own, expected_modified_at=known.modified_at)
    sql_notes.put({1: "a", 2: "b"})
    first = site.run(site.ask(full=True))
    assert (first.status, first.progress.inserted) == (RequestStatus.SUCCESS, 2), first.result_message
    before = site.store.read_schema(ACCOUNT)
    kind = before.object_type("copied")
    assert kind is not None
    assert kind.primary_key == ("id",)
    length = 100 if isinstance(sql_notes, PostgresNotes) else 0
    assert [(field.name, field.type) for field in kind.fields] == [
        *(("id", FieldType.INTEGER), ("text", FieldType.STRING), ("changed", FieldType.INTEGER)),
    ]
    assert kind.fields[1].max_length == length
    again = site.run(site.ask(full=True))
    assert (again.progress.skipped, site.store.read_schema(ACCOUNT).version) == (2, before.version)
    sql_notes.run("ALTER TABLE notes ADD COLUMN price double precision")
    sql_notes.run("UPDATE notes SET price = 1.5 WHERE id = 1")
    assert site.run(site.ask(full=True)).progress.updated == 1
    grown = site.store.read_schema(ACCOUNT).object_type("copied")
    assert grown is not None
    assert grown.fields[-1] == Field("price", FieldType.NUMBER)
