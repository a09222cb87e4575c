"""Files as rows, and what is wrong with lines."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncline.server.importing.errors import BadLine, SourceError
from syncline.server.importing.limits import LINE_BYTES_MAX
from syncline.server.importing.lines import Lines
from syncline.server.importing.sources import CsvSource, JsonLinesSource, Row, open_path, open_source


def _csv(data: bytes) -> list[Row | BadLine]:
    return list(CsvSource("t.csv", len(data), lambda: io.BytesIO(data)).read())


def _jsonl(data: bytes) -> list[Row | BadLine]:
    return list(JsonLinesSource("t.jsonl", len(data), lambda: io.BytesIO(data)).read())


def test_csv_rows_are_text_by_column_with_their_line() -> None:
    assert _csv(b'a,b\n1,"x, ""y"""\n\n,NA\r\n') == [
        Row(2, {"a": "1", "b": 'x, "y"'}),
        Row(4, {"a": "", "b": "NA"}),
    ]


def test_a_row_that_spans_lines_stands_on_its_first() -> None:
    assert _csv(b'a,b\n1,"x\ny\nz"\n2,w\n') == [Row(2, {"a": "1", "b": "x\ny\nz"}), Row(5, {"a": "2", "b": "w"})]


def test_a_byte_order_mark_is_left_out() -> None:
    assert _csv(b"\xef\xbb\xbfa\n1\n") == [Row(2, {"a": "1"})]
    assert _jsonl(b'\xef\xbb\xbf{"a":1}\n') == [Row(1, {"a": 1})]


def test_bad_csv_lines_are_told_and_reading_goes_on() -> None:
    lines = _csv(b'a,b\n1\n1,2,3\n1,caf\xe9\n1,\x00\n"x"y,2\n"1\n\xff",2\n3,4\n')
    assert lines == [
        BadLine(2, "has 1 cells; the first line names 2 columns"),
        BadLine(3, "has 3 cells; the first line names 2 columns"),
        BadLine(4, "is not UTF-8 at byte 6"),
        BadLine(5, "holds NUL"),
        BadLine(6, "is no CSV: ',' expected after '\"'"),
        BadLine(7, "is not UTF-8 at byte 1 (on line 8)"),
        Row(9, {"a": "3", "b": "4"}),
    ]


def test_a_quote_that_never_ends_is_a_bad_line() -> None:
    assert _csv(b'a\n1\n"2\n3\n') == [Row(2, {"a": "1"}), BadLine(3, "is no CSV: unexpected end of data")]


_CELL = st.text(st.sampled_from('ab, \r\n"é\u2028\0\t'), max_size=4).map(str.encode)
_WRITTEN_CELL = st.one_of(
    _CELL, _CELL.map(lambda cell: b'"' + cell.replace(b'"', b'""') + b'"'), st.sampled_from([b"\xff", b"x" * 131_073])
)
_FILE = st.lists(
    st.tuples(
        st.lists(_WRITTEN_CELL, max_size=4).map(b",".join), st.sampled_from([b"\n", b"\r\n", b"\r\r\n", b"\r", b""])
    ),
    max_size=8,
).map(lambda rows: b"".join(part for row in rows for part in row))


@given(_FILE)
@example(b"1,2\r\r\n\r\n3,4\r")
@example(b'1,2\n"' + b"x" * 131_073 + b'",3\n4,5\n')
@example(b"1," + b"x" * 131_073 + b"\n2,3")
def test_a_file_says_what_the_csv_module_makes_of_its_lines(body: bytes) -> None:
    """Most rows are taken apart another way."""
    data = b"a,b\n" + body
    assert _csv(data) == _read_by_csv_module(data)


def _read_by_csv_module(data: bytes) -> list[Row | BadLine]:
    lines = Lines("t.csv", lambda: io.BytesIO(data))
    reader = csv.reader(lines, strict=True)
    next(reader)
    read: list[Row | BadLine] = []
    while True:
        line = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            read.append(BadLine(line, f"is no CSV: {error}"))
            lines.faults.clear()
            continue
        if cells is None:
            return read
        if lines.faults:
            number, reason = min(lines.faults.items())
            read.append(BadLine(line, reason if number == line else f"{reason} (on line {number})"))
            lines.faults.clear()
        elif len(cells) == 2:
            read.append(Row(line, dict(zip(("a", "b"), cells, strict=True))))
        elif cells:
            read.append(BadLine(line, f"has {len(cells)} cells; the first line names 2 columns"))


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", 0, "no line with the names"),
        (b"\n1\n", 1, "no line with the names"),
        (b"a,,c\n", 1, "column 2 has no name"),
        (b"a,b,a\n", 1, "two columns are named 'a'"),
        (b"a,caf\xe9\n", 1, "is not UTF-8"),
        (b'"a,b', 1, "is no CSV"),
        (",".join(f"c{n}" for n in range(501)).encode(), 1, "at most 500"),
        (b"a\n" + b"x" * (LINE_BYTES_MAX + 1), 2, "longer than"),
    ],
)
def test_a_csv_file_without_usable_columns_is_refused(data: bytes, line: int, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as refused:
        _csv(data)
    assert refused.value.line == line


def test_json_lines_are_read_strictly_and_reading_goes_on() -> None:
    lines = _jsonl(b'{"a":1,"b":null}\n\n[1]\n{"a":1,"a":2}\n{"a":"\xff"}\n{"a":"\x00"}\n{"a":2}')
    assert lines == [
        Row(1, {"a": 1}),
        BadLine(3, "must be a JSON object"),
        BadLine(4, 'the name "a" stands twice in one object'),
        BadLine(5, "is not UTF-8 at byte 7"),
        BadLine(6, "holds NUL"),
        Row(7, {"a": 2}),
    ]


def test_how_far_reading_has_got_is_told() -> None:
    data = b"a\n1\n2\n"
    source = CsvSource("t.csv", len(data), lambda: io.BytesIO(data))
    rows = source.read()
    next(rows)
    assert source.bytes_read == 4
    assert len(list(rows)) == 1
    assert source.bytes_read == source.size_bytes


@pytest.mark.parametrize("name", ["a.csv", "B.CSV", "c.jsonl", "d.ndjson"])
def test_the_ending_chooses_the_kind(name: str) -> None:
    source = open_source(name, 0, io.BytesIO)
    assert isinstance(source, CsvSource if "csv" in name.lower() else JsonLinesSource)


def test_what_is_no_file_of_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="ends in"):
        open_source("a.xlsx", 0, io.BytesIO)
    with pytest.raises(SourceError, match="No such file"):
        open_path(tmp_path / "a.csv")
    folder = tmp_path / "b.csv"
    folder.mkdir()
    with pytest.raises(SourceError, match="Is a directory"):
        _read_all(open_path(folder))


def _read_all(source: Any) -> None:
    list(source.read())
