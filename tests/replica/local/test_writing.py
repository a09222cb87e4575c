"""Local writes: what is refused and how, and what the log says of what is done."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from syncline.data.changes import Edit
from syncline.data.limits import RECORD_BYTES_MAX
from syncline.data.schema import Schema
from syncline.replica.change_log import ChangeState, LocalOperation
from syncline.replica.errors import (
    AwaitingVerdict,
    ChildrenExist,
    DeferredRecord,
    KeyTaken,
    NotSynchronised,
    ParentMissing,
    ReadOnlyType,
    RecordNotFound,
    UnknownObjectType,
    ValidationFailed,
    WriteRefused,
)
from tests.replica.local.device import AIRLINE, DRAFT, SCHEMA, Device

FLIGHT = '["UA",1]'
A_FLIGHT = {"carrier": "UA", "number": 2}


@pytest.mark.parametrize(
    ("object_type", "data", "key", "field", "rule"),
    [
        ("airline", {"carrier": "ZZ", "name": 5}, "", "name", "must be text"),
        ("airline", {"carrier": "ZZ", "name": "x" * 21}, "", "name", "at most 20"),
        ("airline", {"carrier": "ZZ", "wings": 2}, "", "wings", "no such field"),
        ("airline", {"carrier": "ZZ", "wings": None}, "", "wings", "no such field"),
        ("airline", {"name": "Zig"}, "", "carrier", "is required"),
        ("airline", {"carrier": ""}, "", "carrier", "must not be empty"),
        ("airline", {"carrier": "ZZ", "name": "a\0b"}, "ZZ", "name", "NUL"),
        ("airline", {"carrier": "ZZ", "size": 2**63}, "", "size", "64 bits"),
        ("flight", A_FLIGHT | {"day": "2013-02-30"}, "", "day", "must be a date"),
        ("flight", A_FLIGHT | {"price": "01"}, "", "price", "must be a decimal"),
        ("flight", A_FLIGHT | {"late": 1}, "", "late", "true or false"),
        ("flight", A_FLIGHT | {"delay": float("inf")}, '["UA",2]', "delay", "finite"),
        ("flight", A_FLIGHT | {"tags": {"a": {1, 2}}}, '["UA",2]', "tags.a", "no JSON"),
        ("flight", A_FLIGHT | {"tags": "x" * RECORD_BYTES_MAX}, '["UA",2]', "", "at most 1,000,000"),
        ("memo", ["text"], "", "", "is a mapping"),
    ],
)
def test_a_record_that_breaks_a_rule_is_not_created(
    device: Device, object_type: str, data: Any, key: str, field: str, rule: str
) -> None:
    before = device.records(object_type)
    with pytest.raises(ValidationFailed, match=rule) as caught:
        device.create(object_type, data)
    assert (caught.value.object_type, caught.value.key, caught.value.field) == (object_type, key, field)
    assert rule in caught.value.rule
    assert device.records(object_type) == before
    assert device.changes() == []


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"name": 5}, "name", "must be text"),
        ({"name": "x" * 21}, "name", "at most 20"),
        ({"wings": 2}, "wings", "no such field"),
        ({"wings": None}, "wings", "no such field"),
        ({"carrier": "UX"}, "carrier", "cannot change"),
        ({"carrier": None}, "carrier", "cannot change"),
        ("name", "", "are a mapping"),
    ],
)
def test_an_update_that_breaks_a_rule_changes_nothing(device: Device, changes: Any, field: str, rule: str) -> None:
    before = device.records("airline")
    with pytest.raises(ValidationFailed, match=rule) as caught:
        device.update("airline", "UA", changes)
    assert (caught.value.object_type, caught.value.key, caught.value.field) == ("airline", "UA", field)
    assert device.records("airline") == before
    assert device.changes() == []


def test_an_insert_is_logged_and_shown(device: Device) -> None:
    key = device.create("airline", {"size": 3.0, "name": None, "carrier": "ZZ"}, bucket="north")
    assert key == "ZZ"
    assert device.records("airline")["ZZ"] == {"carrier": "ZZ", "size": 3}
    (change,) = device.changes()
    assert change.operation is LocalOperation.INSERT
    assert change.state is ChangeState.PENDING
    assert change.data_text == '{"carrier":"ZZ","size":3}'
    assert (change.scope, change.bucket, change.base_revision, change.base_epoch) == ("air", "north", 0, "")
    assert UUID(bytes=change.change_uuid).version == 7
    assert (change.change_seq, change.sent, change.verdict, change.refusal, change.roll_back) == (
        (None, None, None, None, False)
    )


def test_an_update_logs_what_was_and_what_is(device: Device) -> None:
    assert device.update("airline", "UA", {"name": "Unity", "size": None})
    assert device.records("airline")["UA"] == {"carrier": "UA", "name": "Unity"}
    (change,) = device.changes()
    assert change.edits == (Edit("name", '"United"', '"Unity"'), Edit("size", "9", None))
    assert (change.base_revision, change.base_epoch) == (1, "epoch 1")


def test_a_delete_keeps_what_it_deleted(device: Device) -> None:
    device.update("memo", "m1", {"text": "later"})
    assert device.delete("memo", "m1") == 1
    assert device.records("memo") == {}
    _, change = device.changes()
    assert change.operation is LocalOperation.DELETE
    assert change.deleted_data == {"text": "later"}
    assert change.base_revision == 7


def test_the_base_of_another_history_is_called_so(device: Device) -> None:
    device.renew_store_epoch()
    device.update("memo", "m1", {"text": "later"})
    (change,) = device.changes()
    assert (change.base_revision, change.base_epoch) == (7, "epoch 1")


def test_an_update_that_changes_nothing_writes_nothing(device: Device) -> None:
    assert not device.update("airline", "UA", {"name": "United", "size": 9.0})
    assert not device.update("airline", "AA", {"size": None})
    assert not device.update("airline", "AA", {})
    assert device.changes() == []


@pytest.mark.parametrize(
    ("object_type", "data", "key", "rule"),
    [
        ("airline", {"carrier": "ZZ"}, "YY", "the key given is another"),
        ("memo", {}, "", "must not be empty"),
        ("memo", {}, "x" * 1_025, "at most 1,024"),
        ("memo", {}, "a\0", "NUL"),
        ("memo", {}, 7, "is text"),
    ],
)
def test_a_key_that_is_none_is_refused(device: Device, object_type: str, data: Any, key: Any, rule: str) -> None:
    with pytest.raises(ValidationFailed, match=rule):
        device.create(object_type, data, key=key)


def test_keys_come_from_the_data_or_are_made(device: Device) -> None:
    assert device.create("flight", A_FLIGHT) == '["UA",2]'
    assert device.create("airline", {"carrier": "ZZ"}, key="ZZ") == "ZZ"
    assert device.create("memo", {}, key="mine") == "mine"
    made = device.create("memo", {"text": "x"})
    assert UUID(made).version == 7


@pytest.mark.parametrize("bucket", [5, "a\0"])
def test_a_bucket_that_is_none_is_refused(device: Device, bucket: Any) -> None:
    with pytest.raises(ValidationFailed, match="bucket"):
        device.create("memo", {}, bucket=bucket)


def test_a_key_is_taken_by_records_of_the_server_and_of_the_device(device: Device) -> None:
    device.create("airline", {"carrier": "ZZ"})
    for carrier in ("UA", "ZZ"):
        with pytest.raises(KeyTaken) as caught:
            device.create("airline", {"carrier": carrier})
        assert (caught.value.object_type, caught.value.key) == ("airline", carrier)


def test_a_record_that_was_deleted_here_may_be_created_again(device: Device) -> None:
    device.delete("memo", "m1")
    device.create("memo", {"text": "new"}, key="m1", bucket="desk")
    assert device.records("memo") == {"m1": {"text": "new"}}
    assert [change.operation.value for change in device.changes()] == ["delete", "insert"]


def test_what_is_not_there_cannot_be_changed(device: Device) -> None:
    device.delete("memo", "m1")
    for key in ("m1", "nowhere"):
        with pytest.raises(RecordNotFound):
            device.update("memo", key, {"text": "x"})
        with pytest.raises(RecordNotFound):
            device.delete("memo", key)
        with pytest.raises(RecordNotFound):
            device.hide("memo", key)


def test_a_required_parent_must_be_there(device: Device) -> None:
    with pytest.raises(ParentMissing, match="no airline 'ZZ'") as caught:
        device.create("flight", {"carrier": "ZZ", "number": 1})
    assert caught.value.field == "carrier"
    with pytest.raises(ParentMissing, match="refers to nothing"):
        device.create("seat", {"carrier": "UA"})
    with pytest.raises(ParentMissing, match="no flight"):
        device.update("seat", "s1", {"number": 9})
    device.update("seat", "s1", {"row": 8})
    device.create("airline", {"carrier": "ZZ"})
    device.create("flight", {"carrier": "ZZ", "number": 1})
    device.update("seat", "s1", {"carrier": "ZZ"})


def test_an_optional_parent_may_be_missing(device: Device) -> None:
    device.create("meal", {"id": "soup", "seat_of": "ZZ"})
    device.update("meal", "soup", {"seat_of": "YY"})


def test_a_parent_with_children_is_not_deleted(device: Device) -> None:
    for number in range(2, 8):
        device.create("flight", {"carrier": "UA", "number": number})
    before = device.changes()
    with pytest.raises(ChildrenExist, match="7 refer to it") as caught:
        device.delete("airline", "UA")
    assert caught.value.count == 7
    assert caught.value.children[:2] == (("flight", FLIGHT), ("flight", '["UA",2]'))
    assert len(caught.value.children) == 5
    assert device.changes() == before


def test_a_child_that_was_moved_or_deleted_here_does_not_count(device: Device) -> None:
    device.delete("flight", FLIGHT)
    assert device.delete("airline", "UA") == 1


def test_a_delete_takes_the_children_along_first_as_one_transaction(device: Device) -> None:
    device.create("seat", {"carrier": "UA", "number": 1}, key="s2")
    assert device.delete("flight", FLIGHT) == 3
    assert device.records("seat") == device.records("flight") == {}
    *_, seat, flight = device.changes()
    assert (seat.key, flight.key) == ("s1", FLIGHT)
    assert seat.transaction_no == flight.transaction_no
    # The other seat was never sent, so nothing is left of it.
    assert device.changes("seat", "s2") == []


def test_a_restricting_child_that_goes_along_does_not_restrict(device: Device) -> None:
    device.delete("seat", "s1")
    device.delete("flight", FLIGHT)
    device.create("meal", {"id": "soup", "seat_of": "UA"})
    assert device.delete("airline", "UA") == 2
    assert device.records("meal") == {}


def test_read_only_types_are_left_alone(device: Device) -> None:
    with pytest.raises(ReadOnlyType):
        device.create("law", {"text": "x"})
    with pytest.raises(ReadOnlyType):
        device.update("law", "l1", {"text": "x"})
    with pytest.raises(ReadOnlyType):
        device.delete("law", "l1")
    with pytest.raises(ReadOnlyType, match="l1"):
        device.delete("airline", "AA")
    assert device.changes() == []
    assert device.hide("law", "l1") == 1


def test_types_must_be_known_and_at_a_checkpoint(path: Path) -> None:
    with closing(Device(path)) as device:
        with pytest.raises(NotSynchronised, match="has not been at a checkpoint"):
            device.create("memo", {"text": "x"})
        with pytest.raises(UnknownObjectType, match="nonsense"):
            device.create("nonsense", {})
    path.unlink()
    with closing(Device(path, Schema())) as device, pytest.raises(NotSynchronised, match="knows no object types"):
        device.create("memo", {"text": "x"})


def test_all_refusals_have_one_base(device: Device) -> None:
    with pytest.raises(WriteRefused, match="memo 'gone': there is no such record"):
        device.delete("memo", "gone")


def test_created_and_deleted_leaves_nothing(device: Device) -> None:
    device.create("memo", {"text": "x"}, key="m2")
    device.update("memo", "m2", {"text": "y"})
    assert device.delete("memo", "m2") == 1
    assert device.changes() == []
    assert device.view_is_plain("memo")
    with device.local.transaction() as writer:
        writer.create("memo", {"text": "x"}, key="m2")
        writer.update("memo", "m1", {"text": "y"})
        writer.delete("memo", "m2")
    assert device.told() == [("memo", "m1", "update", "pending")]


def test_created_with_others_and_deleted_is_logged(device: Device) -> None:
    with device.local.transaction() as writer:
        writer.create("memo", {"text": "x"}, key="m2")
        writer.create("memo", {"text": "x"}, key="m3")
    device.delete("memo", "m2")
    assert device.told()[-1] == ("memo", "m2", "delete", "pending")


def test_created_again_and_deleted_leaves_the_first_delete(device: Device) -> None:
    device.delete("memo", "m1")
    device.create("memo", {"text": "x"}, key="m1")
    device.delete("memo", "m1")
    assert device.told() == [("memo", "m1", "delete", "pending")]


def test_created_sent_and_deleted_is_logged(device: Device) -> None:
    device.create("memo", {"text": "x"}, key="m2")
    device.set_change(device.changes()[0], state="sent", change_seq=1)
    device.delete("memo", "m2")
    assert device.told() == [("memo", "m2", "insert", "sent"), ("memo", "m2", "delete", "pending")]


def test_deleting_what_the_server_has_meanwhile_is_logged(device: Device) -> None:
    device.create("memo", {"text": "mine"}, key="m2")
    device.receive(("memo", "m2", {"text": "theirs"}))
    assert device.records("memo")["m2"] == {"text": "mine"}
    device.delete("memo", "m2")
    assert device.told() == [("memo", "m2", "insert", "pending"), ("memo", "m2", "delete", "pending")]


def test_deferred_changes_wait_until_they_are_marked(device: Device) -> None:
    device.create("memo", {"text": "x"}, key="m2", upload=False)
    with pytest.raises(DeferredRecord, match="mark it"):
        device.update("memo", "m2", {"text": "y"})
    with pytest.raises(DeferredRecord):
        device.delete("memo", "m2")
    device.update("memo", "m2", {"text": "y"}, upload=False)
    device.update("memo", "m1", {"text": "z"}, upload=False)
    assert device.mark("memo", "m2") == 2
    assert [state for *_, state in device.told()] == ["pending", "pending", "deferred"]
    assert device.update("memo", "m2", {"text": "y2"})
    assert device.mark("memo", "m2") == 0


def test_marking_takes_whole_transactions(device: Device) -> None:
    device.update("memo", "m1", {"text": "first"}, upload=False)
    with device.local.transaction() as writer:
        writer.create("memo", {"text": "x"}, key="m2", upload=False)
        writer.update("memo", "m1", {"text": "z"}, upload=False)
    # What comes before the other record's part of the transaction must go before it.
    assert device.mark("memo", "m2") == 3


def test_a_cascade_onto_deferred_records_is_refused(device: Device) -> None:
    device.update("seat", "s1", {"row": 3}, upload=False)
    with pytest.raises(DeferredRecord, match="s1"):
        device.delete("flight", FLIGHT)
    assert device.delete("flight", FLIGHT, upload=False) == 2


def test_unsent_updates_merge_where_the_type_says_so(device: Device) -> None:
    device.update("draft", "d1", {"a": "1", "b": "2"})
    (first,) = device.changes()
    device.update("draft", "d1", {"a": "11", "c": 3})
    (merged,) = device.changes()
    assert merged.edits == (Edit("a", '"one"', '"11"'), Edit("b", '"two"', '"2"'), Edit("c", None, "3"))
    assert merged.change_no == first.change_no
    assert merged.change_uuid != first.change_uuid
    device.update("draft", "d1", {"b": "two"})
    assert [edit.name for edit in device.changes()[0].edits] == ["a", "c"]
    device.update("draft", "d1", {"a": "one", "c": None})
    assert device.changes() == []
    assert device.view_is_plain("draft")


def test_updates_of_one_transaction_merge_too(device: Device) -> None:
    device.update("draft", "d1", {"a": "0"})
    with device.local.transaction() as writer:
        writer.update("draft", "d1", {"a": "1"})
        writer.update("draft", "d1", {"b": "2"})
    (change,) = device.changes()
    assert change.edits == (Edit("a", '"one"', '"1"'), Edit("b", '"two"', '"2"'))
    with device.local.transaction() as writer:
        writer.update("draft", "d1", {"a": "one"})
        writer.update("draft", "d1", {"b": "two"})
    assert device.changes() == []


@pytest.mark.parametrize("state", ["sent", "rejected", "settled"])
def test_only_unsent_pending_updates_take_others_in(device: Device, state: str) -> None:
    device.update("draft", "d1", {"a": "1"})
    device.set_change(device.changes()[0], state=state, change_seq=1, verdict="applied", verdict_revision=99)
    device.update("draft", "d1", {"a": "2"})
    assert len(device.changes()) == 2


def test_updates_that_belong_with_others_do_not_merge(device: Device) -> None:
    with device.local.transaction() as writer:
        writer.update("draft", "d1", {"a": "1"})
        writer.create("draft", {"a": "x"}, key="d2")
    device.update("draft", "d1", {"a": "2"})
    with device.local.transaction() as writer:
        writer.update("draft", "d1", {"a": "3"})
        writer.create("draft", {"a": "x"}, key="d3")
    assert len(device.changes("draft", "d1")) == 3
    device.update("memo", "m1", {"text": "1"})
    device.update("memo", "m1", {"text": "2"})
    assert len(device.changes("memo", "m1")) == 2


def test_deferred_updates_merge_with_deferred_ones_only(device: Device) -> None:
    device.update("draft", "d1", {"a": "1"})
    device.update("draft", "d1", {"a": "2"}, upload=False)
    device.update("draft", "d1", {"a": "3"}, upload=False)
    assert device.told() == [("draft", "d1", "update", "pending"), ("draft", "d1", "update", "deferred")]


def test_hiding_removes_from_this_device_only(device: Device) -> None:
    device.update("flight", FLIGHT, {"late": True})
    assert device.hide("flight", FLIGHT) == 2
    assert device.records("flight") == device.records("seat") == {}
    assert device.told() == [("seat", "s1", "hide", "hidden"), ("flight", FLIGHT, "hide", "hidden")]
    assert device.roll_back().rolled_back == 0
    device.receive(("flight", FLIGHT, {"carrier": "UA", "number": 1, "day": "2013-01-02"}))
    assert device.records("flight") == {FLIGHT: {"carrier": "UA", "number": 1, "day": "2013-01-02"}}
    device.receive(("seat", "s1", None))
    assert device.changes() == []


def test_hiding_what_was_never_sent_leaves_nothing(device: Device) -> None:
    device.create("memo", {"text": "x"}, key="m2")
    device.hide("memo", "m2")
    assert device.changes() == []


def test_hiding_waits_for_verdicts(device: Device) -> None:
    device.update("seat", "s1", {"row": 8})
    device.set_change(device.changes()[0], state="sent", change_seq=1)
    with pytest.raises(AwaitingVerdict, match="s1"):
        device.hide("flight", FLIGHT)
    assert device.records("flight") != {}


def test_what_a_verdict_told_already_does_not_bring_a_hidden_record_back(device: Device) -> None:
    device.create("memo", {"text": "x"}, key="m2")
    device.set_change(device.changes()[0], state="settled", change_seq=1, verdict="applied", verdict_revision=8)
    device.hide("memo", "m2")
    device.receive(("memo", "m2", {"text": "x"}))
    assert device.told() == [("memo", "m2", "hide", "hidden")]
    assert device.records("memo").keys() == {"m1"}
    device.receive(("memo", "m2", {"text": "y"}))
    assert device.records("memo")["m2"] == {"text": "y"}


def test_a_hidden_key_may_be_created(device: Device) -> None:
    device.hide("memo", "m1")
    device.create("memo", {"text": "mine"}, key="m1")
    assert device.records("memo") == {"m1": {"text": "mine"}}
    device.roll_back("memo", "m1")
    assert device.records("memo") == {}


def test_records_of_all_kinds_of_fields_read_the_same_with_and_without_changes(device: Device) -> None:
    fields = {"day": "2013-01-01", "price": "1.50", "late": True, "delay": 5, "tags": {"a": "x", "b": [1, None]}}
    device.receive(("flight", '["UA",5]', {"carrier": "UA", "number": 5, **fields}))
    plain = device.bench.reader.query("SELECT * FROM flight ORDER BY _key")
    device.create("flight", {"carrier": "UA", "number": 6, **fields})
    rows = device.bench.reader.query("SELECT * FROM flight ORDER BY _key")
    assert [tuple(row) for row in rows[:2]] == [tuple(row) for row in plain]
    assert tuple(rows[2])[4:] == (6, *tuple(rows[1])[5:])
    kinds = "SELECT typeof(day), typeof(price), typeof(late), typeof(delay), typeof(tags) FROM flight WHERE number = ?"
    assert {tuple(device.bench.reader.query(kinds, [number])[0]) for number in (5, 6)} == {
        ("text", "text", "integer", "real", "text")
    }


def test_the_schema_is_read_anew_when_it_changes(device: Device) -> None:
    device.create("memo", {"text": "x"})
    narrower = Schema(4, tuple(kind for kind in SCHEMA.object_types if kind not in (AIRLINE, DRAFT)))
    device.bench.use_schema(narrower)
    with pytest.raises(UnknownObjectType):
        device.create("draft", {})
