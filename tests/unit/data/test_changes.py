"""What a change does to a record."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from syncline.data.canonical import canonical_bytes, parse_object
from syncline.data.changes import Edit, apply_edits, edits_between, field_text
from tests.unit.data.values import FLAT_RECORDS, records


@given(records(), records())
def test_the_edits_between_two_records_make_the_one_of_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = parse_object(canonical_bytes(old)), parse_object(canonical_bytes(new))

    assert canonical_bytes(apply_edits(before, edits_between(before, after))) == canonical_bytes(after)


@given(FLAT_RECORDS)
def test_there_are_no_edits_between_a_record_and_itself(record: dict[str, Any]) -> None:
    assert edits_between(record, dict(reversed(record.items()))) == ()


def test_edits_name_whole_values_in_canonical_form() -> None:
    old, new = {"a": 1, "b": {"y": 1, "x": None}, "c": "same"}, {"a": 1.0, "b": {"x": None}, "c": "same", "d": "é"}

    assert edits_between(old, new) == (Edit("b", '{"x":null,"y":1}', '{"x":null}'), Edit("d", None, '"é"'))


def test_null_is_the_absence_of_a_field() -> None:
    assert field_text({"a": None}, "a") is field_text({}, "a") is None
    assert edits_between({"a": None}, {}) == ()
    assert apply_edits({"a": 1, "b": 2}, [Edit("a", "1", None), Edit("c", None, None)]) == {"b": 2}
