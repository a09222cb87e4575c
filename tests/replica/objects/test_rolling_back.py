"""Taking local changes back through `Objects` and `Replica`: what is left is the newest state of the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncline.replica import ChildrenExist, KeyTaken, Objects, Replica, RolledBack, ValidationFailed
from tests.replica.objects.offline import FLEET, receive, reject, send


def names(airlines: Objects) -> dict[str, object]:
    return {record.key: record.data.get("name") for record in airlines.get_all()}


SERVER = {"AA": "American", "B6": "JetBlue", "UA": "United"}


def test_roll_back_of_a_type_leaves_the_others(replica: Replica, airlines: Objects, crew: Objects) -> None:
    airlines.create({"code": "ZZ", "name": "x"})
    airlines.update_by_pk("AA", {"name": "x"}, upload=False)
    airlines.delete_by_pk("UA")
    crew.update_by_pk(1, {"name": "x"})
    assert airlines.roll_back_pending_local_changes() == RolledBack(3, 0)
    assert names(airlines) == SERVER
    assert replica.get_pending_upload().total_count == 1
    assert airlines.roll_back_pending_local_changes() == RolledBack(0, 0)


def test_roll_back_by_pk_takes_all_changes_of_one_record(airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "x"})
    airlines.update_by_pk("AA", {"name": "y"})
    airlines.update_by_pk("UA", {"name": "z"})
    assert airlines.roll_back_pending_local_changes_by_pk("AA") == RolledBack(2, 0)
    assert names(airlines) == SERVER | {"UA": "z"}
    assert airlines.roll_back_pending_local_changes_by_pk("B6") == RolledBack(0, 0)
    with pytest.raises(ValidationFailed):
        airlines.roll_back_pending_local_changes_by_pk(5)


def test_roll_back_returns_to_the_newest_state_of_the_server(replica: Replica, airlines: Objects, path: Path) -> None:
    airlines.update_by_pk("AA", {"name": "mine"})
    receive(replica, FLEET[0]._replace(revision=30, data={"code": "AA", "name": "theirs"}), revision=30)
    with Replica.open(path) as again:
        airlines = again.objects("airline")
        assert names(airlines)["AA"] == "mine"
        airlines.roll_back_pending_local_changes_by_pk("AA")
        assert names(airlines)["AA"] == "theirs"


def test_roll_back_of_a_parent_created_here_asks_about_its_children(airlines: Objects, flights: Objects) -> None:
    airlines.create({"code": "ZZ"})
    flight = flights.create({"airline": "ZZ", "number": 1, "day": "2013-01-01"})
    with pytest.raises(ChildrenExist) as refused:
        airlines.roll_back_pending_local_changes_by_pk("ZZ")
    assert refused.value.children == (("flight", flight),)
    with pytest.raises(ChildrenExist):
        airlines.roll_back_pending_local_changes()
    assert flights.get_all_details_by_pk(flight) is not None
    assert airlines.roll_back_pending_local_changes_by_pk("ZZ", cascade=True) == RolledBack(2, 0)
    assert flights.get_all_details_by_pk(flight) is None


def test_a_sent_change_is_not_taken_back_before_its_verdict(replica: Replica, airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "x"})
    (message,) = send(replica)
    airlines.update_by_pk("AA", {"name": "y"})
    assert airlines.roll_back_pending_local_changes_by_pk("AA") == RolledBack(1, 1)
    assert names(airlines)["AA"] == "x"
    reject(replica, message, "no")
    assert names(airlines) == SERVER


def test_undo_takes_back_the_newest_change_only(airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "x"})
    airlines.update_by_pk("AA", {"name": "y"})
    assert airlines.undo("AA") == RolledBack(1, 0)
    assert names(airlines)["AA"] == "x"
    assert airlines.undo("AA") == RolledBack(1, 0)
    assert airlines.undo("AA") == RolledBack(0, 0)
    assert names(airlines) == SERVER


def test_undo_of_a_parent_created_here_is_refused_while_children_refer_to_it(
    airlines: Objects, flights: Objects
) -> None:
    airlines.create({"code": "ZZ"})
    flights.create({"airline": "ZZ", "number": 1, "day": "2013-01-01"})
    with pytest.raises(ChildrenExist):
        airlines.undo("ZZ")


def test_roll_back_of_everything_takes_all_scopes(replica: Replica, airlines: Objects, flights: Objects) -> None:
    airlines.create({"code": "ZZ"})
    flights.create({"airline": "ZZ", "number": 1, "day": "2013-01-01"})
    airlines.delete_by_pk("UA", upload=False)
    replica.objects("extra.tab1").update_by_pk("t", {"size": 5})
    assert replica.roll_back_pending_local_changes() == RolledBack(4, 0)
    assert names(airlines) == SERVER
    assert flights.count() == 3
    assert replica.objects("extra.tab1").count("size = 1") == 1
    assert replica.get_deferred_upload().total_count == 0


def test_roll_back_of_everything_is_all_or_nothing(replica: Replica, airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "x"})
    replica.objects("extra.tab1").update_by_pk("t", {"size": 5})

    def roll_back_and_fail() -> None:
        with replica.transaction():
            assert replica.roll_back_pending_local_changes() == RolledBack(2, 0)
            airlines.create({"code": "AA"})

    with pytest.raises(KeyTaken):
        roll_back_and_fail()
    assert replica.get_pending_upload().total_count == 2
    assert names(airlines)["AA"] == "x"
