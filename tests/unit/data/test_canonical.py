"""Canonical data against an independent reading of its rules."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncline.data.canonical import canonical_bytes, canonical_text, canonicalize, data_hash, parse_object
from syncline.data.errors import DataError
from syncline.data.limits import DEPTH_MAX, RECORD_BYTES_MAX
from tests.unit.data import naive_json
from tests.unit.data.values import DOUBLES, FLAT_RECORDS, records


@given(records())
def test_canonical_bytes_are_those_of_the_naive_writer(record: dict[str, Any]) -> None:
    assert canonical_bytes(record) == naive_json.write_record(record)


@given(records())
def test_canonical_bytes_read_back_as_the_same_values(record: dict[str, Any]) -> None:
    data = canonical_bytes(record)
    assert naive_json.read(data.decode()) == {name: value for name, value in record.items() if value is not None}
    assert canonicalize(data) == data


@given(records(), st.randoms(use_true_random=False), st.booleans())
def test_any_spelling_of_a_record_has_the_same_canonical_form(
    record: dict[str, Any], random: Any, escape: bool
) -> None:
    names = list(record)
    random.shuffle(names)
    spelled = json.dumps({name: record[name] for name in names}, ensure_ascii=escape, indent=random.choice([None, 1]))
    assert canonicalize(spelled.encode()) == canonical_bytes(record)


@given(FLAT_RECORDS)
def test_the_quick_way_and_the_slow_way_agree(record: dict[str, Any]) -> None:
    nested = canonical_bytes({"all": record}).decode()
    with_nulls = naive_json.read(nested)["all"]
    assert canonical_bytes(with_nulls) == canonical_bytes(record)


@given(DOUBLES)
@example(2.0**53)
@example(2.0**53 - 1)
@example(-0.0)
@example(1e16)
@example(1e20)
@example(1e-6)
@example(1e-7)
@example(0.00012345)
def test_doubles_read_back_as_they_were(value: float) -> None:
    text = canonical_text(value)
    assert text == naive_json.write_double(value)
    assert float(text) == value
    assert canonicalize(b'{"x":' + text.encode() + b"}") == b'{"x":' + text.encode() + b"}"


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"),
        ("41b3de4355555556", "333333333.3333334"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
        # Where we differ: a whole double of 2^53 or more keeps an exponent.
        ("4340000000000000", "9.007199254740992e+15"),
        ("c340000000000000", "-9.007199254740992e+15"),
        ("4430000000000000", "2.9514790517935283e+20"),
        ("444b1ae4d6e2ef4e", "9.999999999999997e+20"),
    ],
)
def test_the_numbers_of_rfc_8785_appendix_b(bits: str, text: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_text(value) == text
    assert canonical_bytes({"x": value}) == f'{{"x":{text}}}'.encode()


def test_names_sort_by_their_utf8_bytes_not_by_utf16() -> None:
    # U+FF61 comes after U+1F600 in UTF-16, and before it in UTF-8.
    assert canonical_bytes({"\U0001f600": 1, "\uff61": 2, "a": 3}) == '{"a":3,"\uff61":2,"\U0001f600":1}'.encode()


def test_integers_of_64_bits_are_exact() -> None:
    assert canonical_bytes({"a": 2**63 - 1, "b": -(2**63)}) == b'{"a":9223372036854775807,"b":-9223372036854775808}'


def test_nulls_go_at_the_top_and_stay_inside() -> None:
    assert canonical_bytes({"a": None, "b": {"c": None}, "d": [None]}) == b'{"b":{"c":null},"d":[null]}'


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert canonical_bytes({"a": "\\u0000"}) == b'{"a":"\\\\u0000"}'


@pytest.mark.parametrize(
    ("record", "path"),
    [
        ({"a": 2**63}, "a"),
        ({"a": -(2**63) - 1}, "a"),
        ({"a": [1, 2**64]}, "a[1]"),
        ({"a": float("nan")}, "a"),
        ({"a": float("-inf")}, "a"),
        ({"a": {"b": float("inf")}}, "a.b"),
        ({"a": "x\0y"}, "a"),
        ({"a\0": 1}, "a\\u0000"),
        ({"a": {"b": "\0"}}, "a.b"),
        ({"a": "\ud800"}, "a"),
        ({"\udfff": 1}, "\\udfff"),
        ({"a": b"bytes"}, "a"),
        ({"a": {"b": {1, 2}}}, "a.b"),
        ({1: "a"}, ""),
        ({"a": {1: "a"}}, "a"),
        ({"a": "x" * RECORD_BYTES_MAX}, ""),
    ],
)
def test_what_canonical_data_cannot_hold_is_refused(record: dict[str, Any], path: str) -> None:
    with pytest.raises(DataError) as refused:
        canonical_bytes(record)
    assert refused.value.path == path


def _nested(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels - 1):
        value = [value]
    return {"a": value}


def test_nesting_has_a_limit_on_both_ways() -> None:
    deepest = canonical_bytes(_nested(DEPTH_MAX))
    assert canonical_bytes(parse_object(deepest)) == deepest
    with pytest.raises(DataError, match="deeper than 64"):
        canonical_bytes(_nested(DEPTH_MAX + 1))
    with pytest.raises(DataError, match="deeper than 64"):
        parse_object(json.dumps(_nested(DEPTH_MAX + 1)).encode())
    with pytest.raises(DataError, match="deeper than 64"):
        parse_object(b'{"a":' + b"[" * 400_000)


def test_a_hash_has_16_bytes_and_depends_on_the_data() -> None:
    assert len(data_hash(b"{}")) == 16
    assert data_hash(b"{}") != data_hash(b'{"a":1}')
