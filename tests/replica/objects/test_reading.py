"""What an app reads: records as it sees them, by pk, by condition, by relationship."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from syncline.replica import (
    NotSynchronised,
    Objects,
    Record,
    RecordNotFound,
    Replica,
    ReplicaError,
    UnknownObjectType,
    UnknownRelationship,
    ValidationFailed,
    WhereInvalid,
)
from tests.replica.objects.offline import FLEET, receive

AA1, AA2, B61 = (item.key for item in FLEET[3:6])


def keys(records: list[Record]) -> list[str]:
    return [record.key for record in records]


def test_get_all_gives_records_with_their_values_as_json_has_them(flights: Objects) -> None:
    first, *others = flights.get_all(order_by=["_key"])
    assert first == Record(AA1, "", 4, FLEET[3].data, pending=False)  # type: ignore[arg-type]
    assert first.data["boarding"] is True
    assert keys(others) == [AA2, B61]


def test_get_all_sorts_and_cuts(flights: Objects) -> None:
    assert keys(flights.get_all(order_by=["-delay"])) == [AA2, B61, AA1]
    assert keys(flights.get_all(order_by=["number", "-airline"])) == [B61, AA1, AA2]
    assert keys(flights.get_all(limit=1, offset=1)) == [AA2]
    assert keys(flights.get_all(offset=2)) == [B61]
    assert flights.get_all(limit=0) == []


def test_get_all_refuses_names_and_numbers_that_make_no_sense(flights: Objects) -> None:
    with pytest.raises(WhereInvalid, match="no field 'colour'"):
        flights.get_all(order_by=["colour"])
    with pytest.raises(WhereInvalid, match="limit"):
        flights.get_all(limit=-1)


def test_a_record_shows_what_was_changed_here_and_that_it_was(airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "AA", "hub": None})
    airlines.delete_by_pk("UA")
    airlines.create({"code": "ZZ"})
    assert airlines.get_all(order_by=["code"]) == [
        Record("AA", "", 1, {"code": "AA", "name": "AA"}, pending=True),
        Record("B6", "", 2, {"code": "B6", "name": "JetBlue"}, pending=False),
        Record("ZZ", "", 0, {"code": "ZZ"}, pending=True),
    ]


@pytest.mark.parametrize(
    "pk", [AA1, ("AA", 1, "2013-01-01"), ["AA", 1, "2013-01-01"], {"number": 1, "day": "2013-01-01", "airline": "AA"}]
)
def test_get_all_details_by_pk_of_several_fields(flights: Objects, pk: object) -> None:
    record = flights.get_all_details_by_pk(pk)  # type: ignore[arg-type]
    assert record is not None
    assert record.key == AA1


@pytest.mark.parametrize(
    ("name", "pk"),
    [
        ("airline", "AA"),
        ("airline", ["AA"]),
        ("crew", 1),
        ("crew", 1.0),
        ("crew", "[1]"),
        ("crew", {"id": 1, "name": "is of no interest"}),
        ("holiday", "2013-12-25"),
        ("holiday", '["2013-12-25"]'),
        ("memo", "m1"),
    ],
)
def test_get_all_details_by_pk_of_one_field_or_none(replica: Replica, name: str, pk: object) -> None:
    assert replica.objects(name).get_all_details_by_pk(pk) is not None  # type: ignore[arg-type]


def test_get_all_details_by_pk_of_what_is_not_there(airlines: Objects, flights: Objects) -> None:
    assert airlines.get_all_details_by_pk("nowhere") is None
    assert flights.get_all_details_by_pk(("AA", 9, "2013-01-01")) is None
    airlines.delete_by_pk("B6")
    assert airlines.get_all_details_by_pk("B6") is None


@pytest.mark.parametrize(
    ("name", "pk", "why"),
    [
        ("airline", 5, "code: .* must be text"),
        ("airline", "", "must not be empty"),
        ("flight", ("AA", 1), "2 values were given"),
        ("flight", 1, "the primary key is airline, number, day"),
        ("flight", {"airline": "AA"}, "number: .* must be there"),
        ("crew", True, "id: .* an integer"),
        ("memo", 1, "no primary key"),
    ],
)
def test_a_pk_that_names_nothing_is_refused(replica: Replica, name: str, pk: object, why: str) -> None:
    with pytest.raises(ValidationFailed, match=why):
        replica.objects(name).get_all_details_by_pk(pk)  # type: ignore[arg-type]


def test_find_takes_a_condition_and_binds_its_values(flights: Objects) -> None:
    assert keys(flights.find("delay > ? AND airline = ?", (0, "AA"))) == [AA2]
    assert keys(flights.find("delay > :late", {"late": 0}, order_by=["delay"])) == [B61, AA2]
    assert keys(flights.find("boarding")) == [AA1]
    assert keys(flights.find("notes ->> '$.vip[0]' = 1")) == [AA1]
    assert keys(flights.find('"flight".airline IN (SELECT code FROM airline WHERE name = ?)', ("JetBlue",))) == [B61]
    assert flights.find("gate = ?", ("A1' OR '1' = '1",)) == []
    assert len(flights.find()) == 3


def test_find_refuses_what_is_no_condition(flights: Objects) -> None:
    with pytest.raises(WhereInvalid, match="no such column: colour"):
        flights.find("colour = 1")
    with pytest.raises(WhereInvalid, match="`;`"):
        flights.find("1; DROP VIEW flight")
    with pytest.raises(WhereInvalid, match="not the text 'x'"):
        flights.find("airline = ?", "x")
    with pytest.raises(WhereInvalid, match="supplied"):
        flights.find("gate = ?", ("A1", "A2"))
    assert flights.count() == 3


def test_find_works_the_same_on_changed_records(flights: Objects) -> None:
    flights.update_by_pk(AA2, {"delay": 0, "full": 1, "boarding": False})
    assert keys(flights.find("delay = '0' AND full = 1.0 AND NOT boarding")) == [AA2]
    assert keys(flights.find("delay > 0")) == [B61]


def test_count(flights: Objects) -> None:
    assert flights.count() == 3
    assert flights.count("delay > ?", (0,)) == 2
    with pytest.raises(WhereInvalid, match="syntax error"):
        flights.count("delay >")


def test_related_finds_the_parent(flights: Objects, crew: Objects) -> None:
    assert [record.data["name"] for record in flights.related(AA1, "operator")] == ["American"]
    assert flights.count_related(AA1, "operator") == 1
    assert [record.data["name"] for record in crew.related(3, "deputy")] == ["Bob"]
    assert crew.related(2, "deputy") == []
    assert crew.count_related(2, "deputy") == 0


def test_related_finds_the_children(airlines: Objects, crew: Objects) -> None:
    assert keys(airlines.related("AA", "flight.operator")) == [AA1, AA2]
    assert keys(airlines.related("AA", "flight")) == [AA1, AA2]
    assert airlines.count_related("AA", "flight") == 2
    assert airlines.count_related("UA", "flight") == 0
    assert keys(crew.related(1, "crew.boss")) == ["[2]", "[3]"]


def test_related_sees_local_changes(airlines: Objects, flights: Objects) -> None:
    flights.delete_by_pk(AA1)
    created = flights.create({"airline": "AA", "number": 3, "day": "2013-01-02"})
    assert keys(airlines.related("AA", "flight")) == [AA2, created]


def test_related_refuses_names_that_mean_nothing_or_several_things(airlines: Objects, crew: Objects) -> None:
    with pytest.raises(UnknownRelationship, match=r"'gate' is no relationship of airline; there are: flight\.operator"):
        airlines.related("AA", "gate")
    with pytest.raises(UnknownRelationship, match=r"several relationships of crew; .* crew\.boss, crew\.deputy"):
        crew.related(1, "crew")
    with pytest.raises(RecordNotFound, match="airline 'nowhere': there is no such record"):
        airlines.related("nowhere", "flight")
    with pytest.raises(RecordNotFound):
        airlines.count_related("nowhere", "flight")


def test_a_type_of_a_name_with_its_scope_is_like_any_other(replica: Replica) -> None:
    tab1 = replica.objects("extra.tab1")
    tab1.update_by_pk("t", {"size": 2})
    assert keys(tab1.find('"extra.tab1".size = 2')) == ["t"]


def test_types_that_are_not_there_are_told_apart(replica: Replica, tmp_path: Path) -> None:
    with pytest.raises(UnknownObjectType, match="no object type 'plane'"):
        replica.objects("plane").get_all()
    with pytest.raises(NotSynchronised, match="has not been at a checkpoint"):
        replica.objects("new").get_all()
    with Replica.open(tmp_path / "other.db") as other, pytest.raises(NotSynchronised, match="knows no object types"):
        other.objects("airline").get_all()


def test_a_transaction_sees_its_own_writes_and_others_do_not(replica: Replica, airlines: Objects) -> None:
    seen: list[int] = []
    with replica.transaction():
        airlines.create({"code": "ZZ"})
        assert airlines.count() == 4
        assert airlines.get_pending_upload() != []
        assert replica.get_pending_upload().total_count == 1
        thread = Thread(target=lambda: seen.append(airlines.count()))
        thread.start()
        thread.join()
    assert seen == [3]
    assert airlines.count() == 4


def test_a_newer_state_of_the_server_shows_below_what_was_changed_here(
    replica: Replica, airlines: Objects, path: Path
) -> None:
    airlines.update_by_pk("AA", {"name": "mine"})
    receive(replica, FLEET[0]._replace(revision=30, data={"code": "AA", "name": "theirs", "hub": "JFK"}), revision=30)
    with Replica.open(path) as again:
        record = again.objects("airline").get_all_details_by_pk("AA")
        assert record == Record("AA", "", 30, {"code": "AA", "name": "mine", "hub": "JFK"}, pending=True)


def test_a_closed_replica_says_so(replica: Replica, airlines: Objects) -> None:
    airlines.count()
    replica.close()
    with pytest.raises(ReplicaError, match="closed"):
        airlines.count()
