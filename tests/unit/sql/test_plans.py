"""The databases go through their indexes as they were meant to: what a page costs does not grow with the feed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from syncline.data.changes import Operation, Verdict
from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType, Schema
from syncline.storage.conformance.tenant import opening
from syncline.storage.models import RecordWrite
from syncline.storage.request_models import NewRequest, RequestQuery
from syncline.storage.request_models import Operation as RequestOperation
from syncline.storage.request_moves import made
from syncline.storage.sql import (
    bringers,
    claiming,
    conflicts,
    departing,
    diagnosing,
    feeds,
    postgres,
    receipts,
    reconciling,
    record_sources,
    request_collecting,
    request_details,
    request_lists,
    scheduling,
    sqlite,
    statistics,
    uploading,
    writing,
)
from syncline.storage.sql.json_rows import as_json_keys, as_json_rows, uuid_values
from syncline.storage.sql.opening import open_database
from syncline.storage.sql.request_rows import StoredRequest, row_of
from syncline.storage.sql.store import SqlStore
from syncline.storage.sql.tables import (
    app_enrollment,
    payload_chunk,
    sync_request,
    sync_request_count,
    sync_request_detail,
)
from syncline.storage.upload_models import Conflict, ConflictNote, Receipt

ROWS = 20_000
KEYS = as_json_keys(f"{place * 7919 % 1_000_003}" for place in range(0, ROWS, ROWS // 500))
RANGE = {"of_scope": "s", "of_bucket": "", "of_above": 5, "of_through": ROWS, "of_gone_above": 5, "of_start": 0}


@pytest.fixture
def connection(store_url: str) -> Iterator[Connection]:
    """A feed with many records and no departure, at its worst for the planner: it knows nothing, or all of it."""
    store = SqlStore(open_database(store_url, durable=False), max_rejections=5)
    store.create_account("a")
    kind = ObjectType("note", "s", (Field("text", FieldType.STRING),))
    store.write_schema("a", Schema(object_types=(kind,)), expected_version=0)
    for start in range(0, ROWS, 5000):
        keys = (f"{place * 7919 % 1_000_003}" for place in range(start, start + 5000))
        store.write_records("a", [RecordWrite("note", key, b"f" * 100, b"h", modified_at=1) for key in keys])
    with store._database._writer.connect() as connection:
        yield connection
    store.close()


def _plan(connection: Connection, statement: ClauseElement, values: Mapping[str, object]) -> str:
    """How the database would run the statement, one step a line."""
    engine = connection.engine
    compiled = statement.compile(dialect=engine.dialect)
    assert isinstance(compiled, SQLCompiler)
    parameters = {**compiled.params, "of_account": "a", **values}
    values_given = tuple(parameters[name] for name in compiled.positiontup) if compiled.positiontup else parameters
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN (COSTS OFF)"
    rows = connection.exec_driver_sql(f"{explain} {compiled}", values_given)
    return "\n".join(str(row[-1]) for row in rows)


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_page_is_read_off_the_index(connection: Connection, analyzed: bool) -> None:
    if analyzed:
        connection.execute(text("ANALYZE"))
    plan = _plan(connection, feeds._RECORDS, {**RANGE, "limit": 1000})
    assert "record_feed_idx" in plan
    assert not re.search(r"\bSort\b|TEMP B-TREE|Seq Scan", plan)


@pytest.mark.parametrize("analyzed", [False, True])
def test_whether_there_is_anything_new_is_a_look_at_the_index(connection: Connection, analyzed: bool) -> None:
    if analyzed:
        connection.execute(text("ANALYZE"))
    ranges = as_json_rows([("s", "", 5, ROWS, 5)])
    plan = _plan(connection, feeds._FIRST_UNREAD, {"ranges": ranges})
    assert "record_feed_idx" in plan
    assert not re.search(r"Seq Scan on record|SCAN record", plan)


@pytest.mark.parametrize("analyzed", [False, True])
def test_the_rows_of_a_batch_are_looked_up_by_key(connection: Connection, analyzed: bool) -> None:
    if analyzed:
        connection.execute(text("ANALYZE"))
    plan = _plan(connection, writing._CURRENT, {"of_type": "note", "keys": KEYS})
    assert re.search(
        r"record_pkey|sqlite_autoindex_record_1 \(account_id=\? AND object_type=\? AND record_key=\?\)", plan
    )


@pytest.mark.parametrize("analyzed", [False, True])
def test_the_records_of_an_upload_are_looked_up_by_key(connection: Connection, analyzed: bool) -> None:
    if analyzed:
        connection.execute(text("ANALYZE"))
    plan = _plan(connection, uploading._CURRENT, {"of_type": "note", "keys": KEYS})
    assert re.search(
        r"record_pkey|sqlite_autoindex_record_1 \(account_id=\? AND object_type=\? AND record_key=\?\)", plan
    )


@pytest.mark.parametrize("analyzed", [False, True])
def test_receipts_and_conflicts_are_looked_up_one_by_one(connection: Connection, analyzed: bool) -> None:
    """With many of one device: none but those asked for are read, whatever the planner knows."""
    device_uuid, names = uuid4(), [uuid4() for _ in range(ROWS)]
    store = SqlStore(
        open_database(connection.engine.url.render_as_string(hide_password=False), durable=False), max_rejections=5
    )
    decided = [Receipt(seq, name.bytes, b"h", Verdict.APPLIED, seq, None) for seq, name in enumerate(names, 1)]
    store._insert_receipts(connection, "a", device_uuid, decided, 1)
    contested = ConflictNote(ConflictPolicy.MERGE_FIELDS, (), None, None, None)
    noted = (
        Conflict(seq, "note", "k", "", device_uuid, name.bytes, Operation.DELETE, Verdict.APPLIED, seq, 1, contested)
        for seq, name in enumerate(names, 1)
    )
    store._insert_conflicts(connection, "a", noted)
    store.close()
    if analyzed:
        connection.execute(text("ANALYZE"))
    on_sqlite = connection.engine.dialect.name == "sqlite"
    of_device = {"of_device": device_uuid.hex if on_sqlite else device_uuid}
    uuids = uuid_values("changes", [name.bytes for name in names[:500]])
    if on_sqlite:
        uuids |= {name: value.hex for name, value in uuids.items() if isinstance(value, UUID)}
    after_all = ["ff" * 15 + end for end in ("fe", "ff")]
    bounds = {
        name: end if on_sqlite else UUID(end)
        for name, end in zip(("changes_first", "changes_last"), after_all, strict=True)
    }
    for statement in (receipts._ANY_BETWEEN, receipts._PACKS_BY_UUID):
        plan = _plan(connection, statement, {**of_device, **bounds})
        assert re.search(r"upload_receipt_(uuid|pack)_idx.*last_uuid", plan, re.DOTALL), plan
    by_uuid = _plan(connection, receipts._BY_UUID, {**of_device, **uuids})
    assert re.search(r"upload_receipt_uuid_idx.*last_uuid", by_uuid, re.DOTALL), by_uuid
    by_seq = _plan(connection, receipts._BY_SEQ, {**of_device, "first": ROWS - 100, "last": ROWS})
    assert re.search(r"(upload_receipt_pkey|PRIMARY KEY).*last_seq ?>", by_seq, re.DOTALL)
    of_changes = _plan(connection, conflicts._OF_CHANGES, {**of_device, **uuids})
    assert not re.search(r"Seq Scan|SCAN conflict", of_changes)


@pytest.mark.parametrize("has_end", [False, True])
def test_a_range_of_keys_is_read_off_the_index(connection: Connection, has_end: bool) -> None:
    values = {"of_type": "note", "of_scope": "s", "of_bucket": "", "known": 5, "limit": 100}
    for statement in reconciling._ROWS[True, has_end]:
        plan = _plan(connection, statement, {**values, "after_key": "5", "through_key": "7"})
        assert not re.search(r"\bSort\b|TEMP B-TREE|Seq Scan on record", plan)


def test_departures_are_looked_up_by_key(connection: Connection) -> None:
    values = {"of_type": "note", "keys": KEYS, "of_scope": "s", "of_bucket": ""}
    plan = _plan(connection, departing._FORGET, values)
    assert "departure" in plan
    assert not re.search(r"SCAN departure", plan)


REQUESTS = 2_000


@pytest.fixture
def requests(store_url: str) -> Iterator[Connection]:
    """Many requests that ended, of which one brought many rows and has many details; a few that are due."""
    database = open_database(store_url, durable=False)
    new = NewRequest("", "", b"", RequestOperation.READ, False, "e", due_at=0, by="somebody")
    shared = {"account_id": "a", "payload_hash": b""}
    detail = {
        "severity": "error",
        "object_type": "",
        "line": 0,
        "source_key": "",
        "field": "",
        "reason": "",
        "value": "",
    }
    with database._writer.connect() as connection:
        rows = [shared | row_of(StoredRequest(made(new, now=place))) for place in range(REQUESTS)]
        for place, row in enumerate(rows):
            row |= {"request_id": str(place), "status": "success" if place % 500 else "connector"}
        connection.execute(sync_request.insert(), rows)
        of_request = {"account_id": "a", "request_id": "1"}
        details = [of_request | detail | {"number": number} for number in range(REQUESTS)]
        connection.execute(sync_request_detail.insert(), details)
        keys = (str(place * 7919 % 1_000_003) for place in range(ROWS))
        sources = [("note", key, key, b"h" * 32, b"i" * 100) for key in keys]
        database.upsert_sources(connection, "a", "e", sources, seen_by="")
        yield connection
    database.close()


@pytest.mark.parametrize("analyzed", [False, True])
def test_requests_and_their_details_are_read_off_an_index(requests: Connection, analyzed: bool) -> None:
    if analyzed:
        requests.execute(text("ANALYZE"))
    first = _plan(requests, request_lists.page_of("a", RequestQuery()), {})
    later = _plan(requests, request_lists.page_of("a", RequestQuery(after=(REQUESTS // 2, "7"))), {})
    details = _plan(requests, request_details._DETAILS, {"of_request": "1", "after": 100, "limit": 250})
    for plan in (first, later):
        assert "sync_request_created_at_idx" in plan
    assert re.search(r"Index Cond: .*created_at <=|\(account_id=\? AND created_at<\?\)", later)
    assert re.search(r"Index Cond: .*number >|\(account_id=\? AND request_id=\? AND number>\?\)", details)
    # A Postgres that knows nothing takes the account for so small that it sorts what it finds there.
    knows = analyzed or requests.engine.dialect.name == "sqlite"
    for plan in (first, later, details):
        assert not re.search(r"\bSort\b|TEMP B-TREE|Seq Scan" if knows else r"Seq Scan", plan)


def test_counts_of_one_request_are_looked_up_by_key(requests: Connection) -> None:
    counts = {"account_id": "a", "object_type": "note", **dict.fromkeys(request_details._COUNTED, 1)}
    requests.execute(sync_request_count.insert(), [counts | {"request_id": str(place)} for place in range(REQUESTS)])
    requests.execute(text("ANALYZE"))
    plan = _plan(requests, request_details._COUNTS, {"of_request": "1"})
    assert re.search(r"Index Cond: .*request_id = |sync_request_count .*\(account_id=\? AND request_id=\?\)", plan)
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("analyzed", [False, True])
def test_what_is_due_is_found_among_many_requests_that_ended(requests: Connection, analyzed: bool) -> None:
    if analyzed:
        requests.execute(text("ANALYZE"))
    for statement, values in (
        (claiming._WAITING_HERE, {"per_account": 2}),
        (claiming._PROMOTE, {"now": 1}),
        (claiming._LAPSED, {"now": 1}),
        (claiming._NEXT_DUE, {}),
        (claiming._NEXT_LAPSE, {}),
    ):
        plan = _plan(requests, statement, values)
        assert not re.search(r"Seq Scan on sync_request|SCAN (sync_request|running)$", plan, re.MULTILINE)


@pytest.mark.parametrize("analyzed", [False, True])
def test_what_nobody_needs_any_more_is_found_by_its_end(requests: Connection, analyzed: bool) -> None:
    of_parents = sync_request.update().where(sync_request.c.created_at < REQUESTS // 2)
    requests.execute(of_parents.values(parent_id=sync_request.c.request_id, current_batch=1, total_batches=1))
    chunk = {"account_id": "a", "number": 1, "data": b""}
    requests.execute(payload_chunk.insert(), [chunk | {"request_id": str(place)} for place in range(REQUESTS)])
    if analyzed:
        requests.execute(text("ANALYZE"))
    ended = {"ended_before": 5, "limit": 100}
    unneeded = _plan(requests, request_collecting._UNNEEDED_PAYLOADS, {**ended, "of_status": "success"})
    assert "sync_request_payload_idx" in unneeded
    for statement, values in (
        (request_collecting._OVER, ended),
        (request_collecting._OLDEST_ASKING, {}),
        (request_collecting._REMOVE_CHUNKS, {"of_request": "1", "limit": 5}),
    ):
        plan = _plan(requests, statement, values)
        assert not re.search(r"Seq Scan|^SCAN (sync_request|parent|batch|payload_chunk)", plan, re.MULTILINE)


@pytest.mark.parametrize("analyzed", [False, True])
def test_the_last_run_of_an_enrollment_is_read_off_the_index(requests: Connection, analyzed: bool) -> None:
    if analyzed:
        requests.execute(text("ANALYZE"))
    for statement in (request_lists._LAST, request_lists._LAST_SUCCESSFUL):
        assert "sync_request_enrollment_idx" in _plan(requests, statement, {"of_enrollment": "e1"})


@pytest.mark.parametrize("analyzed", [False, True])
def test_due_schedules_are_found_among_many_enrollments(requests: Connection, analyzed: bool) -> None:
    settings = {"connector": "c", "settings": "{}", "sealed_secrets": b"", "enabled": True, "modified_by": ""}
    times = {"created_at": 0, "modified_at": 0, "read_cursor": "", "write_cursor": "", "scheduled_request_id": ""}
    shared = {"account_id": "a", **settings, **times}
    rows = [
        {"enrollment_id": str(place), "name": str(place), "next_run_at": place, **shared} for place in range(REQUESTS)
    ]
    requests.execute(app_enrollment.insert(), rows)
    if analyzed:
        requests.execute(text("ANALYZE"))
    assert "app_enrollment_next_run_idx" in _plan(requests, scheduling._DUE, {"now": 5, "limit": 100})


@pytest.mark.parametrize("analyzed", [False, True])
def test_sources_are_looked_up_by_key(requests: Connection, analyzed: bool) -> None:
    if analyzed:
        requests.execute(text("ANALYZE"))
    these = {"of_enrollment": "e", "of_type": "note", "keys": KEYS, "new_seen_by": "1"}
    for statement in (
        record_sources._HASHES,
        record_sources._KNOWN,
        record_sources._SEE,
        record_sources._FORGET,
    ):
        plan = _plan(requests, statement, these)
        assert re.search(r"record_source_pkey|object_type=\? AND source_key=\?\)", plan)
    if requests.engine.dialect.name == "sqlite":
        changed = requests.exec_driver_sql(f"EXPLAIN QUERY PLAN {sqlite.KNOWN_HASHES}", ("a", "e", "note", KEYS))
    else:
        rows = {"source_keys": KEYS, "record_keys": KEYS, "hashes": KEYS}
        values = {"of_account": "a", "of_enrollment": "e", "of_type": "note", **rows}
        changed = requests.exec_driver_sql(f"EXPLAIN {postgres.CHANGED_SOURCES}", values)
    assert re.search(r"record_source_pkey|object_type=\? AND source_key=\?\)", str(changed.all()))
    counted = _plan(requests, record_sources._COUNT_OF_RECORDS, these)
    assert "record_source_record_idx" in counted


@pytest.mark.parametrize("analyzed", [False, True])
def test_what_brings_a_record_is_looked_up_by_index(requests: Connection, analyzed: bool) -> None:
    if analyzed:
        requests.execute(text("ANALYZE"))
    assert "sync_request_created_at_idx" in _plan(requests, bringers._NEWEST, {})
    newest = _plan(requests, bringers._NEWEST_OF_ENROLLMENT, {"of_enrollment": "e"})
    assert "sync_request_enrollment_idx" in newest
    assert not re.search(r"TEMP B-TREE FOR ORDER|Seq Scan", newest)
    values = {"of_type": "task", "of_key": "7", "of_request": "2", "of_enrollment": "e", "requests": KEYS}
    for statement in (bringers._DETAIL, bringers._SOURCE, bringers._COUNTED):
        plan = _plan(requests, statement, values)
        assert not re.search(r"Seq Scan on (record_source|sync_request_detail)|SCAN (?!json_each)", plan)


@pytest.mark.parametrize("analyzed", [False, True])
def test_figures_of_requests_are_read_off_an_index(requests: Connection, analyzed: bool) -> None:
    if analyzed:
        requests.execute(text("ANALYZE"))
    for statement in (statistics._COUNTS, statistics._OLDEST_DUE, statistics._FAILING):
        plan = _plan(requests, statement, {"now": 5})
        assert not re.search(r"Seq Scan on sync_request|SCAN sync_request$", plan, re.MULTILINE), plan


@pytest.mark.parametrize("analyzed", [False, True])
def test_figures_of_feeds_look_at_the_ends_of_an_index(connection: Connection, analyzed: bool) -> None:
    store = SqlStore(
        open_database(connection.engine.url.render_as_string(hide_password=False), durable=False), max_rejections=5
    )
    for _ in range(50):
        device_uuid = uuid4()
        store.register_device("a", device_uuid, now=1)
        store.open_queue("a", device_uuid, opening(now=1))
    store.close()
    if analyzed:
        connection.execute(text("ANALYZE"))
    queues = _plan(connection, statistics._QUEUES, {"seen_since": 0})
    assert len(re.findall("record_feed_idx", queues)) == 2, queues  # the newest row, and the first that is not passed
    counts = _plan(connection, statistics._COUNTS, {})
    assert "record_tombstone_idx" in counts
    for plan in (queues, counts):
        assert not re.search(r"Seq Scan on record|SCAN record$", plan, re.MULTILINE), plan


def test_refused_changes_of_a_device_are_looked_up_by_number(connection: Connection) -> None:
    values = {"of_device": UUID(int=1) if connection.engine.dialect.name == "postgresql" else UUID(int=1).hex}
    plan = _plan(connection, diagnosing._REFUSALS, {**values, "from_seq": 5})
    assert re.search(r"upload_receipt_pkey|PRIMARY KEY", plan)
    assert not re.search(r"SCAN|TEMP B-TREE", plan)
