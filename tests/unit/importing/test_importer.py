"""Importing a file: all of it or nothing, and what it came to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from opentelemetry import trace

from syncline.data import telemetry
from syncline.data.schema import Field, FieldType, ObjectType, Schema
from syncline.data.trace_context import decode
from syncline.server.importing.errors import BadLine, ImportRefused, SourceError
from syncline.server.importing.importer import ImportResult, import_source
from syncline.server.importing.progress import Phase
from syncline.server.importing.sources import CsvSource, JsonLinesSource, Source
from syncline.storage import Store, open_store
from syncline.v1.frame_pb2 import Frame
from tests.harness.spans import recorded_spans

PLANES = ObjectType(
    "planes",
    "main",
    (Field("tailnum", FieldType.STRING, required=True), Field("seats", FieldType.INTEGER)),
    ("tailnum",),
)


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store("memory:")) as store:
        store.create_account("acme")
        store.write_schema("acme", Schema(0, (PLANES,)), expected_version=0)
        yield store


def _csv(data: bytes) -> Source:
    return CsvSource("t.csv", len(data), lambda: io.BytesIO(data))


def _import(store: Store, data: bytes, *, skip_bad: bool = False) -> ImportResult:
    return import_source(store, "acme", PLANES, _csv(data), nulls=("NA",), modified_at=5, skip_bad=skip_bad)


def _stored(store: Store) -> dict[str, bytes]:
    records = store.scan_records("acme", "planes", after_key=None, limit=5_000)
    return {record.key: Frame.FromString(record.frame or b"").data for record in records}


def test_rows_become_records(store: Store) -> None:
    result = _import(store, b"tailnum,seats\nN1,55\nN2,NA\n")
    assert result == ImportResult("t.csv", read=2, inserted=2, updated=0, unchanged=0, failed=0, bad_lines=())
    assert _stored(store) == {"N1": b'{"seats":55,"tailnum":"N1"}', "N2": b'{"tailnum":"N2"}'}
    (record,) = store.get_records("acme", "planes", ["N1"])
    assert Frame.FromString(record.frame or b"") == Frame(
        object_type="planes", key="N1", bucket="", modified_at_us=5, data=b'{"seats":55,"tailnum":"N1"}'
    )
    assert record.modified_at == 5


def test_records_keep_the_context_of_the_batch_that_brought_them(store: Store) -> None:
    with recorded_spans() as spans:
        result = _import(store, b"tailnum,seats\nN1,55\nN2,many\n", skip_bad=True)
        with pytest.raises(ImportRefused):
            _import(store, b"tailnum,seats\nN3,many\n")
    assert result.failed == 1
    imported, refused = spans.named(telemetry.SPAN_IMPORT)
    (batch,) = spans.named(telemetry.SPAN_BATCH)
    assert batch.parent == imported.get_span_context()
    counts = {telemetry.ROWS_WRITTEN: 1, telemetry.ROWS_SKIPPED: 0}
    assert batch.attributes == counts | {telemetry.ROWS_READ: 1}
    assert imported.attributes == counts | {telemetry.ROWS_READ: 2, telemetry.ROWS_FAILED: 1}
    assert refused.attributes == {telemetry.ERROR_TYPE: "ImportRefused"}
    assert refused.status.status_code is trace.StatusCode.ERROR
    (record,) = store.get_records("acme", "planes", ["N1"])
    context = batch.get_span_context()
    assert context is not None
    assert decode(record.trace_context or "") == (context.trace_id, context.span_id)


def test_a_second_import_writes_only_what_changed(store: Store) -> None:
    _import(store, b"tailnum,seats\nN1,55\nN2,NA\nN3,1\n")
    head = store.get_head("acme").revision
    result = _import(store, b"seats,tailnum\n055,N1\n7,N2\n9,N4\n")
    assert (result.inserted, result.updated, result.unchanged) == (1, 1, 1)
    assert set(_stored(store)) == {"N1", "N2", "N3", "N4"}
    assert _import(store, b"tailnum,seats\nN2,7\nN4,9\n").unchanged == 2
    assert store.get_records("acme", "planes", ["N1"])[0].revision <= head


def test_json_lines_are_imported_likewise(store: Store) -> None:
    data = b'{"seats":55,"tailnum":"N1"}\n{"tailnum":"N2","seats":null}\n'
    source = JsonLinesSource("t.jsonl", len(data), lambda: io.BytesIO(data))
    assert import_source(store, "acme", PLANES, source, modified_at=5).inserted == 2
    assert _import(store, b"tailnum,seats\nN1,55\nN2,NA\n").unchanged == 2


BAD = b"tailnum,seats\nN1,1\nN2,many\nNA,3\nN4\nN1,5\nN\xff,6\nN7,7\n"
BAD_LINES = (
    BadLine(3, "seats: must be an integer within signed 64 bits, not 'many'"),
    BadLine(4, "tailnum: is required"),
    BadLine(5, "has 1 cells; the first line names 2 columns"),
    BadLine(6, "an earlier line has the same key 'N1'"),
    BadLine(7, "is not UTF-8 at byte 2"),
)


def test_a_bad_line_refuses_the_whole_file(store: Store) -> None:
    with pytest.raises(ImportRefused) as refused:
        _import(store, BAD)
    assert refused.value.bad_lines == BAD_LINES
    assert refused.value.count == 5
    assert _stored(store) == {}


def test_bad_lines_can_be_skipped_and_are_reported(store: Store) -> None:
    result = _import(store, BAD, skip_bad=True)
    assert result == ImportResult("t.csv", read=7, inserted=2, updated=0, unchanged=0, failed=5, bad_lines=BAD_LINES)
    assert _stored(store) == {"N1": b'{"seats":1,"tailnum":"N1"}', "N7": b'{"seats":7,"tailnum":"N7"}'}


def test_the_list_of_bad_lines_is_capped_and_their_count_is_not(store: Store) -> None:
    with pytest.raises(ImportRefused) as refused:
        _import(store, b"tailnum,seats\n" + b"N,x\n" * 1_000)
    assert len(refused.value.bad_lines) == 20
    assert refused.value.count == 1_000


def test_a_file_that_breaks_off_writes_nothing(store: Store) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if not data:
                raise OSError(5, "Input/output error")
            return data

    source = CsvSource("t.csv", 0, lambda: Breaking(b"tailnum,seats\nN1,1\n"))
    with pytest.raises(SourceError, match="Input/output error"):
        import_source(store, "acme", PLANES, source, modified_at=5, skip_bad=True)
    assert _stored(store) == {}


def test_a_long_file_goes_in_batches_and_tells_its_progress(store: Store) -> None:
    data = b"tailnum,seats\n" + b"".join(b"N%d,%d\n" % (number, number) for number in range(2_500))
    told: list[tuple[Phase, int, int, int]] = []
    result = import_source(
        store, "acme", PLANES, _csv(data), modified_at=5, progress=lambda *progress: told.append(progress)
    )
    assert result.inserted == 2_500
    assert store.count_records("acme") == {"planes": 2_500}
    assert [rows for phase, _, _, rows in told if phase is Phase.CHECKING] == [1_000, 2_000, 2_500]
    assert [(done, total) for phase, done, total, _ in told if phase is Phase.WRITING] == [
        (1_000, 2_500),
        (2_000, 2_500),
        (2_500, 2_500),
    ]
    checking = [(done, total) for phase, done, total, _ in told if phase is Phase.CHECKING]
    assert checking == sorted(checking)
    assert checking[-1] == (len(data), len(data))


def test_a_row_too_large_for_a_record_is_a_bad_line(store: Store) -> None:
    texts = [f"f{number}" for number in range(9)]
    wide = replace(PLANES, fields=(*PLANES.fields, *(Field(name, FieldType.STRING) for name in texts)))
    data = f"tailnum,{','.join(texts)}\nN1,{','.join(['x' * 120_000] * 9)}\n".encode()
    with pytest.raises(ImportRefused, match="at most 1,000,000"):
        import_source(store, "acme", wide, _csv(data), modified_at=5)
