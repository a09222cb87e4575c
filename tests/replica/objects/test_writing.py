"""What an app writes through `Objects`: what comes of it, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

import pytest

from syncline.replica import (
    AwaitingVerdict,
    ChildrenExist,
    DeferredRecord,
    KeyTaken,
    Objects,
    ParentMissing,
    ReadOnlyType,
    RecordNotFound,
    Replica,
    TransactionSpansScopes,
    TransactionTooLarge,
    ValidationFailed,
    WhereInvalid,
    WriteRefused,
)
from syncline.replica.writing import TRANSACTION_CHANGES_MAX
from tests.replica.objects.offline import FLEET, receive, send

AA1, AA2, B61 = (item.key for item in FLEET[3:6])


def codes(airlines: Objects) -> list[str]:
    return [record.key for record in airlines.get_all(order_by=["_key"])]


def nothing_pending(replica: Replica) -> bool:
    return replica.query("SELECT 1 FROM syncline_change") == []


def test_create_gives_the_key_of_the_key_fields(airlines: Objects, flights: Objects) -> None:
    assert airlines.create({"code": "ZZ", "name": "Zigzag", "hub": None}) == "ZZ"
    record = airlines.get_all_details_by_pk("ZZ")
    assert record is not None
    assert (record.data, record.revision, record.pending) == ({"code": "ZZ", "name": "Zigzag"}, 0, True)
    assert flights.create({"airline": "ZZ", "number": 7, "day": "2013-01-01"}) == '["ZZ",7,"2013-01-01"]'


def test_create_makes_a_key_where_the_type_has_none(replica: Replica) -> None:
    memos = replica.objects("memo")
    made = memos.create({"text": "x"})
    assert memos.create({"text": "y"}, key="mine", bucket="b") == "mine"
    assert {record.key: record.bucket for record in memos.find("_key <> 'm1'")} == {made: "", "mine": "b"}


@pytest.mark.parametrize(
    ("data", "error", "field"),
    [
        ({"code": "ZZ", "name": "x" * 21}, ValidationFailed, "name"),
        ({"code": "ZZ", "colour": "red"}, ValidationFailed, "colour"),
        ({"code": "ZZ", "name": 5}, ValidationFailed, "name"),
        ({"name": "x"}, ValidationFailed, "code"),
        ({"code": "AA"}, KeyTaken, ""),
    ],
)
def test_create_refuses_what_breaks_a_rule(
    replica: Replica, airlines: Objects, data: dict[str, object], error: type[WriteRefused], field: str
) -> None:
    with pytest.raises(error) as refused:
        airlines.create(data)
    assert (refused.value.object_type, refused.value.field) == ("airline", field)
    assert nothing_pending(replica)


def test_create_refuses_a_required_parent_that_is_missing(flights: Objects) -> None:
    with pytest.raises(ParentMissing, match="no airline 'QQ'"):
        flights.create({"airline": "QQ", "number": 1, "day": "2013-01-01"})


def test_create_refuses_types_that_devices_may_not_change(replica: Replica) -> None:
    with pytest.raises(ReadOnlyType):
        replica.objects("rate").create({"code": "Y"})


def test_create_all_is_all_or_nothing(replica: Replica, airlines: Objects) -> None:
    assert airlines.create_all([{"code": "X1"}, {"code": "X2"}]) == ["X1", "X2"]
    with pytest.raises(KeyTaken):
        airlines.create_all([{"code": "Y1"}, {"code": "AA"}])
    assert codes(airlines) == ["AA", "B6", "UA", "X1", "X2"]
    assert [message.group_size for message in send(replica)] == [0, 0]


def test_g7_the_server_decides_about_each_of_many_for_itself_unless_told(replica: Replica, airlines: Objects) -> None:
    with replica.transaction():
        airlines.create_all([{"code": "X1"}, {"code": "X2"}])
    airlines.create_all([{"code": "Y1"}, {"code": "Y2"}])
    assert [message.group_size for message in send(replica)] == [2, 2, 0, 0]


def test_more_than_fits_a_message_cannot_be_one_transaction(replica: Replica, airlines: Objects) -> None:
    many = [{"code": f"{number}"} for number in range(TRANSACTION_CHANGES_MAX + 1)]
    with pytest.raises(TransactionTooLarge), replica.transaction():
        airlines.create_all(many)
    assert nothing_pending(replica)
    assert len(airlines.create_all(many)) == len(many)


def test_update_by_pk_changes_the_fields_given(flights: Objects) -> None:
    assert flights.update_by_pk(("AA", 1, "2013-01-01"), {"gate": "B2", "delay": None, "price": "1.20"}) == 1
    record = flights.get_all_details_by_pk(AA1)
    assert record is not None
    assert (record.data["gate"], record.data["price"], record.data.get("delay", 0)) == ("B2", "1.20", 0)


def test_update_by_pk_of_what_is_so_already_writes_nothing(replica: Replica, airlines: Objects) -> None:
    assert airlines.update_by_pk("AA", {"name": "American"}) == 0
    assert nothing_pending(replica)


def test_update_by_pk_refuses(replica: Replica, airlines: Objects, flights: Objects) -> None:
    with pytest.raises(RecordNotFound):
        airlines.update_by_pk("nowhere", {"name": "x"})
    with pytest.raises(ValidationFailed, match="code"):
        airlines.update_by_pk("AA", {"code": "A2"})
    with pytest.raises(ValidationFailed, match="delay"):
        flights.update_by_pk(AA1, {"delay": "late"})
    with pytest.raises(ValidationFailed):
        airlines.update_by_pk(("AA", "BB"), {"name": "x"})
    with pytest.raises(ReadOnlyType):
        replica.objects("rate").update_by_pk("X", {"factor": 3})
    assert nothing_pending(replica)


def test_update_changes_all_that_a_condition_finds(replica: Replica, flights: Objects) -> None:
    assert flights.update("airline = ? AND delay < ?", ("AA", 100), {"gate": "C3"}) == 2
    assert flights.update("gate = :gate", {"gate": "C3"}, {"gate": "C3"}) == 0
    assert flights.count("gate = 'C3'") == 2
    # The server decides about each for itself.
    assert [message.group_size for message in send(replica)] == [0, 0]


def test_update_is_all_or_nothing(replica: Replica, crew: Objects) -> None:
    crew.update_by_pk(3, {"name": "later"}, upload=False)
    before = crew.get_all()
    with pytest.raises(DeferredRecord):
        crew.update("", (), {"name": "all"})
    with pytest.raises(WhereInvalid):
        crew.update("nonsense(", (), {"name": "all"})
    assert crew.get_all() == before


def test_update_all_sees_its_earlier_updates_and_is_all_or_nothing(airlines: Objects) -> None:
    with pytest.raises(ValidationFailed):
        airlines.update_all([("code = ?", ("AA",), {"hub": "JFK"}), ("code = ?", ("UA",), {"colour": "red"})])
    assert airlines.count("hub = 'JFK'") == 0
    done = airlines.update_all([("code = ?", ("AA",), {"hub": "JFK"}), ("hub = :h", {"h": "JFK"}, {"name": "J"})])
    assert done == 2
    assert [record.data["name"] for record in airlines.find("hub = 'JFK'")] == ["J"]


def test_delete_by_pk_takes_along_what_belongs_to_it(airlines: Objects, flights: Objects) -> None:
    assert airlines.delete_by_pk("UA") == 1
    assert airlines.delete_by_pk("AA") == 3
    assert codes(airlines) == ["B6"]
    assert [record.key for record in flights.get_all()] == [B61]


def test_delete_by_pk_refuses(replica: Replica, airlines: Objects, crew: Objects) -> None:
    with pytest.raises(RecordNotFound):
        airlines.delete_by_pk("nowhere")
    with pytest.raises(ChildrenExist, match="crew") as refused:
        crew.delete_by_pk(1)
    assert (refused.value.count, refused.value.children) == (2, (("crew", "[2]"), ("crew", "[3]")))
    with pytest.raises(ReadOnlyType):
        replica.objects("rate").delete_by_pk("X")
    assert nothing_pending(replica)


def test_remove_deletes_all_that_a_condition_finds(replica: Replica, flights: Objects) -> None:
    assert flights.remove("airline = ?", ("AA",)) == 2
    assert flights.remove("airline = ?", ("AA",)) == 0
    assert flights.count() == 1
    assert [message.group_size for message in send(replica)] == [0, 0]


def test_remove_does_not_mind_the_order_in_which_records_refer_to_each_other(crew: Objects) -> None:
    assert crew.remove("id <= 3") == 3
    assert crew.count() == 0


def test_remove_refuses_when_others_refer_to_what_would_go(replica: Replica, crew: Objects) -> None:
    with pytest.raises(ChildrenExist):
        crew.remove("id IN (1, 2)")
    with pytest.raises(WhereInvalid):
        crew.remove("DELETE FROM crew")
    assert crew.count() == 3
    assert nothing_pending(replica)


def test_remove_device_instance_by_pk_is_of_this_device_only(replica: Replica, airlines: Objects) -> None:
    airlines.update_by_pk("B6", {"name": "x"})
    assert airlines.remove_device_instance_by_pk("B6") == 2
    assert codes(airlines) == ["AA", "UA"]
    assert replica.get_pending_upload().total_count == 0
    assert send(replica) == []


def test_a_removed_device_instance_comes_back_with_its_next_state(replica: Replica, airlines: Objects) -> None:
    path = replica._file.path
    airlines.remove_device_instance_by_pk("UA")
    receive(replica, FLEET[2]._replace(revision=30), revision=30)
    with Replica.open(path) as again:
        assert again.objects("airline").get_all_details_by_pk("UA") is not None


def test_remove_device_instance_by_pk_refuses(replica: Replica, airlines: Objects) -> None:
    with pytest.raises(RecordNotFound):
        airlines.remove_device_instance_by_pk("nowhere")
    airlines.update_by_pk("UA", {"name": "x"})
    send(replica)
    with pytest.raises(AwaitingVerdict):
        airlines.remove_device_instance_by_pk("UA")
    assert codes(airlines) == ["AA", "B6", "UA"]


def test_remove_device_instance_takes_a_condition(airlines: Objects, crew: Objects) -> None:
    assert airlines.remove_device_instance("hub IS NULL") == 3
    assert crew.remove_device_instance("boss = ? OR id = ?", (1, 1)) == 3
    with pytest.raises(WhereInvalid):
        airlines.remove_device_instance("nonsense(")


def test_a_transaction_takes_all_of_its_writes_back_if_it_fails(replica: Replica, airlines: Objects) -> None:
    def delete_and_create() -> None:
        with replica.transaction():
            airlines.delete_by_pk("UA")
            airlines.create({"code": "AA"})

    with pytest.raises(KeyTaken):
        delete_and_create()
    assert codes(airlines) == ["AA", "B6", "UA"]
    assert nothing_pending(replica)


def test_a_transaction_goes_on_after_a_write_in_it_that_failed(replica: Replica, airlines: Objects) -> None:
    with replica.transaction():
        airlines.delete_by_pk("UA")
        with pytest.raises(KeyTaken):
            airlines.create_all([{"code": "Y1"}, {"code": "AA"}])
    assert codes(airlines) == ["AA", "B6"]


def test_a_transaction_is_of_one_scope(replica: Replica, airlines: Objects) -> None:
    def delete_in_two_scopes() -> None:
        with replica.transaction():
            airlines.delete_by_pk("UA")
            replica.objects("extra.tab1").delete_by_pk("t")

    with pytest.raises(TransactionSpansScopes):
        delete_in_two_scopes()
    assert nothing_pending(replica)
