"""Reading record data strictly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.data.errors import DataError
from syncline.data.limits import RECORD_BYTES_MAX
from syncline.data.parsing import parse_object, parse_value


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a":1} x', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 7"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b'{"a":1,"a":1}', 'the name "a" stands twice'),
        (b'{"a":1,"\\u0061":2}', 'the name "a" stands twice'),
        (b'{"a":[{"b":1,"b":null}]}', 'the name "b" stands twice'),
        (b'{"a":null,"a":1}', 'the name "a" stands twice'),
        (b'{"a":"\x00"}', "not JSON"),
        (b'{"a":"\\u0000"}', "NUL"),
        (b'{"a":[{"b\\u0000":1}]}', "NUL"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\udc00\\ud800"}', "surrogate"),
        (b'{"\\ud800":1}', "surrogate"),
        (b'{"a":NaN}', "not finite"),
        (b'{"a":-Infinity}', "not finite"),
        (b'{"a":1e999}', "not finite"),
        (b'{"a":9223372036854775808}', "beyond signed 64 bits"),
        (b'{"a":-9223372036854775809}', "beyond signed 64 bits"),
        (b'{"a":[' + b"9" * 10_000 + b"]}", "beyond signed 64 bits"),
        (b'{"a":"' + b"x" * RECORD_BYTES_MAX + b'"}', "at most 1,000,000"),
    ],
)
def test_what_is_not_exactly_one_record_is_refused(data: bytes, rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        parse_object(data)


def test_what_is_taken_is_read_exactly() -> None:
    data = b' {"a": 9223372036854775807, "b": -0, "c": 1e2, "d": "\\ud83d\\ude00\\n", "e": null, "f": {"g": null}} '
    read = parse_object(data)
    assert read == {"a": 2**63 - 1, "b": 0, "c": 100.0, "d": "\U0001f600\n", "f": {"g": None}}
    assert "e" not in read


def test_a_single_value_can_be_read_as_well() -> None:
    assert parse_value(b'[1, null, "x"]') == [1, None, "x"]


@given(st.binary(max_size=60) | st.text(st.sampled_from('{}[]",:\\u0d8ae1.-+nul \n'), max_size=40).map(str.encode))
def test_no_bytes_raise_anything_but_a_data_error(data: bytes) -> None:
    try:
        value: Any = parse_object(data)
    except DataError:
        return
    assert isinstance(value, dict)
