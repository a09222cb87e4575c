"""Taking changes back, before they were sent and after, and sending rejected ones again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syncline.data.changes import Edit
from syncline.replica.change_log import LocalChange, read_changes
from syncline.replica.errors import AwaitingVerdict, ChildrenExist
from syncline.replica.overlay import refresh
from syncline.replica.roll_back import RolledBack, compensate
from tests.replica.local.device import SCHEMA, Device

FLIGHT = '["UA",1]'
ALL_TYPES = tuple(kind.name for kind in SCHEMA.object_types)


def _send(device: Device, *changes: LocalChange) -> None:
    for change in changes:
        device.set_change(change, state="sent", change_seq=change.change_no, sent=b"frozen")


def _reject(device: Device, *changes: LocalChange) -> None:
    for change in changes:
        device.set_change(change, state="rejected", refusal=json.dumps({"reason": "KEY_TAKEN", "message": "taken"}))


def _answer(
    device: Device, *changes: LocalChange, verdict: str = "applied", data: str | None = None, state: str = "settled"
) -> int:
    """Store the server's answers, and let what was rolled back be reversed. How many new changes that made."""
    with device.local.transaction():
        connection = device.local.connection
        for change in changes:
            device.revision += 1
            connection.execute(
                "UPDATE syncline_change SET state = ?, verdict = ?, verdict_revision = ?, verdict_data = ?"
                " WHERE change_no = ?",
                (state, verdict, device.revision, data, change.change_no),
            )
            refresh(connection, change.object_type, [change.key])
        numbers = json.dumps([change.change_no for change in changes])
        answered = read_changes(connection, "change_no IN (SELECT value FROM json_each(?)) AND roll_back", [numbers])
        return compensate(connection, SCHEMA, answered)


def test_a_roll_back_of_all_leaves_the_newest_server_state(device: Device) -> None:
    device.update("memo", "m1", {"text": "mine"})
    device.create("airline", {"carrier": "ZZ"})
    device.create("flight", {"carrier": "ZZ", "number": 1})
    device.delete("seat", "s1", upload=False)
    device.update("draft", "d1", {"a": "x"})
    _reject(device, device.changes("draft")[0])
    device.receive(("memo", "m1", {"text": "newest"}), ("flight", FLIGHT, {"carrier": "UA", "number": 1, "late": True}))
    assert device.roll_back() == RolledBack(rolled_back=5, awaiting=0)
    assert device.changes() == []
    assert device.records("memo") == {"m1": {"text": "newest"}}
    assert device.records("flight") == {FLIGHT: {"carrier": "UA", "number": 1, "late": True}}
    assert device.records("seat").keys() == {"s1"}
    assert device.records("draft")["d1"]["a"] == "one"
    assert all(device.view_is_plain(name) for name in ALL_TYPES)
    assert device.roll_back() == RolledBack(0, 0)


def test_a_roll_back_of_a_record_takes_its_transactions_and_what_came_after(device: Device) -> None:
    with device.local.transaction() as writer:
        writer.update("airline", "UA", {"name": "1"})
        writer.update("airline", "AA", {"name": "2"})
    device.update("airline", "AA", {"size": 3})
    device.update("draft", "d1", {"a": "4"})
    assert device.roll_back("airline", "UA") == RolledBack(3, 0)
    assert device.told() == [("draft", "d1", "update", "pending")]
    assert device.records("airline")["AA"] == {"carrier": "AA", "name": "American"}


def test_a_roll_back_of_a_type_leaves_the_others(device: Device) -> None:
    device.update("airline", "UA", {"name": "1"})
    device.update("draft", "d1", {"a": "4"})
    assert device.roll_back("airline") == RolledBack(1, 0)
    assert device.told() == [("draft", "d1", "update", "pending")]


def test_children_hold_a_roll_back_up_unless_they_go_along(device: Device) -> None:
    device.create("airline", {"carrier": "ZZ"})
    device.create("flight", {"carrier": "ZZ", "number": 1})
    device.create("seat", {"carrier": "ZZ", "number": 1}, key="s2")
    device.update("seat", "s1", {"row": 2})
    device.update("seat", "s1", {"carrier": "ZZ"})
    device.update("seat", "s1", {"row": 3})
    before = device.changes()
    with pytest.raises(ChildrenExist, match="cannot be rolled back") as caught:
        device.roll_back("airline", "ZZ")
    assert caught.value.children == (("flight", '["ZZ",1]'),)
    with pytest.raises(ChildrenExist) as caught:
        device.undo("flight", '["ZZ",1]')
    assert caught.value.children == (("seat", "s1"), ("seat", "s2"))
    assert device.changes() == before
    assert device.roll_back("airline", "ZZ", cascade=True) == RolledBack(5, 0)
    # What had nothing to do with the parent stays.
    assert device.told() == [("seat", "s1", "update", "pending")]
    assert device.records("seat") == {"s1": {"carrier": "UA", "number": 1, "row": 2}}


def test_children_that_are_the_servers_hold_nothing_up(device: Device) -> None:
    device.create("airline", {"carrier": "ZZ"})
    device.receive(("flight", '["ZZ",1]', {"carrier": "ZZ", "number": 1}))
    assert device.roll_back("airline", "ZZ") == RolledBack(1, 0)


def test_a_parent_that_the_server_has_meanwhile_may_be_rolled_back(device: Device) -> None:
    device.create("airline", {"carrier": "ZZ"})
    device.create("flight", {"carrier": "ZZ", "number": 1})
    device.receive(("airline", "ZZ", {"carrier": "ZZ", "name": "theirs"}))
    assert device.roll_back("airline", "ZZ") == RolledBack(1, 0)
    assert device.records("airline")["ZZ"] == {"carrier": "ZZ", "name": "theirs"}


def test_a_child_that_comes_back_brings_its_parent_back(device: Device) -> None:
    device.delete("seat", "s1")
    device.delete("flight", FLIGHT)
    device.update("airline", "UA", {"size": 10})
    device.delete("airline", "UA")
    assert device.roll_back("seat", "s1") == RolledBack(3, 0)
    assert device.records("flight").keys() == {FLIGHT}
    assert device.records("airline")["UA"]["size"] == 10


def test_a_child_that_would_refer_again_to_what_goes_goes_along(device: Device) -> None:
    device.create("airline", {"carrier": "ZZ"})
    device.create("meal", {"id": "soup", "seat_of": "ZZ"})
    with device.local.transaction() as writer:
        writer.update("meal", "soup", {"seat_of": "UA"})
        writer.update("airline", "ZZ", {"size": 1})
    with pytest.raises(ChildrenExist):
        device.roll_back("airline", "ZZ")
    assert device.roll_back("airline", "ZZ", cascade=True) == RolledBack(4, 0)
    assert device.changes() == []


def test_undo_takes_back_the_newest_transaction_only(device: Device) -> None:
    device.update("airline", "UA", {"name": "1"})
    device.update("airline", "UA", {"name": "2"})
    with device.local.transaction() as writer:
        writer.update("airline", "UA", {"name": "3"})
        writer.update("airline", "AA", {"name": "4"})
    names = []
    for _ in range(3):
        names.append(device.records("airline")["UA"]["name"])
        device.undo("airline", "UA")
    assert names == ["3", "2", "1"]
    assert device.records("airline")["UA"]["name"] == "United"
    assert device.undo("airline", "UA") == RolledBack(0, 0)


def test_a_sent_change_waits_for_its_verdict_and_what_follows_goes(device: Device) -> None:
    device.update("memo", "m1", {"text": "sent"})
    device.update("memo", "m1", {"text": "not sent"})
    _send(device, device.changes()[0])
    assert device.undo("memo", "m1") == RolledBack(1, 0)
    device.update("memo", "m1", {"text": "not sent"})
    assert device.roll_back() == RolledBack(1, 1)
    (change,) = device.changes()
    assert change.roll_back
    assert change.sent == b"frozen"
    assert device.records("memo")["m1"] == {"text": "sent"}
    assert device.roll_back("memo", "m1") == RolledBack(0, 1)


@pytest.mark.parametrize("verdict", ["applied", "merged"])
def test_an_update_that_took_effect_is_reversed_where_it_shows(device: Device, verdict: str) -> None:
    device.update("airline", "UA", {"name": "mine", "size": 10})
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    data = '{"carrier":"UA","name":"theirs","size":10}' if verdict == "merged" else None
    assert _answer(device, sent, verdict=verdict, data=data) == 1
    settled, reverse = device.changes()
    assert not settled.roll_back
    size = Edit("size", "10", "9")
    assert reverse.edits == ((size,) if verdict == "merged" else (Edit("name", '"mine"', '"United"'), size))
    assert (reverse.state.value, reverse.scope) == ("pending", "air")
    name = "theirs" if verdict == "merged" else "United"
    assert device.records("airline")["UA"] == {"carrier": "UA", "name": name, "size": 9}


def test_what_the_app_wrote_since_is_not_reversed(device: Device) -> None:
    device.update("airline", "UA", {"name": "mine"})
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    device.update("airline", "UA", {"name": "newer"})
    assert _answer(device, sent) == 0
    assert device.records("airline")["UA"]["name"] == "newer"


def test_an_insert_that_took_effect_is_deleted(device: Device) -> None:
    device.create("memo", {"text": "mine"}, key="m2", bucket="north")
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    assert _answer(device, sent, verdict="merged", data='{"more":"theirs","text":"mine"}') == 1
    _, reverse = device.changes()
    assert reverse.deleted_data == {"text": "mine", "more": "theirs"}
    assert device.records("memo").keys() == {"m1"}


def test_an_insert_that_the_app_went_on_with_is_not_deleted(device: Device) -> None:
    device.create("memo", {"text": "mine"}, key="m2")
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    device.update("memo", "m2", {"text": "still mine"})
    assert _answer(device, sent) == 0
    assert device.records("memo")["m2"] == {"text": "still mine"}


def test_a_delete_that_took_effect_is_created_again(device: Device) -> None:
    device.delete("memo", "m1")
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    assert _answer(device, sent) == 1
    _, reverse = device.changes()
    assert (reverse.operation.value, reverse.data, reverse.key) == ("insert", {"text": "call back"}, "m1")
    assert device.records("memo") == {"m1": {"text": "call back"}}


def test_where_the_server_won_there_is_nothing_to_reverse(device: Device) -> None:
    device.update("memo", "m1", {"text": "mine"})
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    assert _answer(device, sent, verdict="server_won", data='{"text":"theirs"}') == 0
    assert device.records("memo") == {"m1": {"text": "theirs"}}


@pytest.mark.parametrize("state", ["rejected", "pending"])
def test_what_the_server_did_not_do_is_forgotten(device: Device, state: str) -> None:
    """A held change waits again, so it can go as if it had never been sent."""
    device.create("airline", {"carrier": "ZZ"})
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    device.create("flight", {"carrier": "ZZ", "number": 1})
    assert _answer(device, sent, state=state, verdict="rejected") == 0
    assert device.changes() == []
    assert device.records("airline").keys() == {"UA", "AA"}


@pytest.mark.parametrize("state", ["rejected", "pending"])
def test_g8_what_the_app_wrote_since_is_not_forgotten(device: Device, state: str) -> None:
    """It was made after the roll back, which does not concern it, and says only what it changes itself."""
    device.update("airline", "UA", {"name": "mine", "size": 1})
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    with device.local.transaction() as writer:
        writer.update("airline", "UA", {"name": "newer"})
        writer.update("airline", "AA", {"name": "too"})
    assert _answer(device, sent, state=state, verdict="rejected") == 0
    ours, other = device.changes()
    assert (ours.edits, ours.transaction_no) == ((Edit("name", '"United"', '"newer"'),), other.transaction_no)
    assert device.records("airline")["UA"] == {"carrier": "UA", "name": "newer", "size": 9}
    assert device.records("airline")["AA"]["name"] == "too"


def test_g8_a_delete_that_was_made_since_is_of_what_is_there(device: Device) -> None:
    device.update("memo", "m1", {"text": "mine"})
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    device.delete("memo", "m1")
    assert _answer(device, sent, state="rejected", verdict="rejected") == 0
    (delete,) = device.changes()
    assert delete.deleted_data == {"text": "call back"}
    assert device.records("memo") == {}


def test_an_update_that_was_made_since_and_is_nothing_now_goes(device: Device) -> None:
    device.update("memo", "m1", {"text": "mine"})
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    device.update("memo", "m1", {"text": "call back"})
    assert _answer(device, sent, state="rejected", verdict="rejected") == 0
    assert (device.changes(), device.records("memo")) == ([], {"m1": {"text": "call back"}})


def test_the_changes_of_a_record_are_reversed_together_to_the_first_value(device: Device) -> None:
    device.update("memo", "m1", {"text": "1"})
    device.update("memo", "m1", {"text": "2", "more": "x"})
    first, second = device.changes()
    _send(device, first, second)
    device.roll_back()
    assert _answer(device, first) == 0
    assert [change.roll_back for change in device.changes()] == [True, True]
    device.receive(("memo", "m1", {"text": "1"}))
    assert _answer(device, second) == 2
    assert device.records("memo") == {"m1": {"text": "call back"}}
    reverses = [change for change in device.changes() if change.state.value == "pending"]
    assert len({change.transaction_no for change in reverses}) == 1


def test_a_transaction_is_reversed_as_one(device: Device) -> None:
    with device.local.transaction() as writer:
        writer.create("airline", {"carrier": "ZZ"})
        writer.create("flight", {"carrier": "ZZ", "number": 1})
    sent = device.changes()
    _send(device, *sent)
    device.roll_back("flight", '["ZZ",1]')
    assert _answer(device, *sent) == 2
    flight, airline = device.changes()[2:]
    assert (flight.object_type, airline.object_type) == ("flight", "airline")
    assert flight.transaction_no == airline.transaction_no
    assert device.records("airline").keys() == {"UA", "AA"}


def test_a_reversed_change_goes_once_the_base_has_it(device: Device) -> None:
    device.update("memo", "m1", {"text": "mine"})
    (sent,) = device.changes()
    _send(device, sent)
    device.roll_back()
    device.receive(("memo", "m1", {"text": "mine"}))
    device.set_change(sent, state="settled", verdict="applied", verdict_revision=8)
    assert len(device.changes()) == 1
    device.receive(("memo", "other", {}))
    assert len(device.changes()) == 1, "it is still to be reversed"
    with device.local.transaction():
        assert compensate(device.local.connection, SCHEMA, device.changes()) == 1
    (reverse,) = device.changes()
    assert reverse.edits == (Edit("text", '"mine"', '"call back"'),)


def test_a_rejected_change_is_sent_again_as_the_record_stands(device: Device) -> None:
    device.update("airline", "UA", {"name": "mine", "size": 1})
    device.update("airline", "UA", {"size": 2})
    first = device.changes()[0]
    _reject(device, first)
    device.receive(("airline", "UA", {"carrier": "UA", "name": "theirs", "size": 3}))
    assert device.resend("airline", "UA") == 1
    (change,) = device.changes()
    assert change.edits == (Edit("name", '"theirs"', '"mine"'), Edit("size", "3", "2"))
    assert change.change_uuid != first.change_uuid
    assert (change.state.value, change.base_revision, change.refusal) == ("pending", 8, None)
    assert device.resend("airline", "UA") == 0


@pytest.mark.parametrize(
    ("theirs", "operation"), [(None, "insert"), ({"text": "theirs"}, "update"), ({"text": "mine"}, None)]
)
def test_a_rejected_insert_becomes_what_is_left_of_it(
    device: Device, theirs: dict[str, Any] | None, operation: str | None
) -> None:
    device.create("memo", {"text": "mine"}, key="m2", bucket="north")
    _reject(device, *device.changes())
    if theirs is not None:
        device.receive(("memo", "m2", theirs))
    assert device.resend("memo", "m2") == (operation is not None)
    assert [change.operation.value for change in device.changes()] == ([operation] if operation else [])
    assert all(change.bucket == "north" for change in device.changes())
    assert device.records("memo")["m2"] == {"text": "mine"}


def test_a_rejected_delete_is_sent_again_of_what_the_server_has_now(device: Device) -> None:
    device.delete("memo", "m1")
    _reject(device, *device.changes())
    device.receive(("memo", "m1", {"text": "theirs"}))
    assert device.resend("memo", "m1") == 1
    (change,) = device.changes()
    assert (change.operation.value, change.deleted_data) == ("delete", {"text": "theirs"})
    device.receive(("memo", "m1", None))
    _reject(device, change)
    assert device.resend("memo", "m1") == 0
    assert device.changes() == []


def test_a_rejected_transaction_is_sent_again_whole(device: Device) -> None:
    with device.local.transaction() as writer:
        writer.create("airline", {"carrier": "ZZ"})
        writer.create("flight", {"carrier": "ZZ", "number": 1})
    device.update("flight", '["ZZ",1]', {"late": True}, upload=False)
    _reject(device, *device.changes()[:2])
    assert device.resend("flight", '["ZZ",1]') == 2
    airline, flight = device.changes()
    assert flight.data == {"carrier": "ZZ", "number": 1, "late": True}
    assert airline.transaction_no == flight.transaction_no


def test_resending_keeps_what_is_settled_but_not_in_the_base(device: Device) -> None:
    device.create("memo", {"text": "1"}, key="m2")
    device.update("memo", "m2", {"text": "2"})
    first, second = device.changes()
    device.set_change(first, state="settled", verdict="applied", verdict_revision=99)
    _reject(device, second)
    assert device.resend("memo", "m2") == 1
    assert device.changes()[1].edits == (Edit("text", '"1"', '"2"'),)


def test_resending_waits_for_verdicts(device: Device) -> None:
    device.update("memo", "m1", {"text": "1"})
    device.update("memo", "m1", {"text": "2"})
    first, second = device.changes()
    _reject(device, first)
    _send(device, second)
    with pytest.raises(AwaitingVerdict):
        device.resend("memo", "m1")
    assert len(device.changes()) == 2
