"""What is not on the server yet: every change is in one list, deletes too, and counting reads no record."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncline.data.changes import Operation
from syncline.replica import (
    DeferredRecord,
    ObjectInstances,
    Objects,
    PendingInstance,
    PendingInstances,
    PendingState,
    Replica,
    ScopeInstances,
    ValidationFailed,
    WhereInvalid,
)
from syncline.replica.change_log import ChangeState
from syncline.replica.pending import count_instances, load_instances
from tests.replica.objects.offline import FLEET, receive, reject, send

AA1, AA2, B61 = (item.key for item in FLEET[3:6])


def brief(instances: list[PendingInstance]) -> list[tuple[str, str]]:
    return [(instance.operation.value, instance.key) for instance in instances]


def test_get_pending_upload_gives_each_change_with_its_record(replica: Replica, airlines: Objects) -> None:
    airlines.create({"code": "ZZ"})
    airlines.update_by_pk("ZZ", {"name": "Zigzag"})
    airlines.update_by_pk("AA", {"name": "Ameri", "hub": None})
    airlines.delete_by_pk("UA")
    insert, update, other, delete = airlines.get_pending_upload()
    assert [each.operation for each in (insert, update, other, delete)] == [
        Operation.INSERT,
        Operation.UPDATE,
        Operation.UPDATE,
        Operation.DELETE,
    ]
    assert (insert.data, insert.changes) == ({"code": "ZZ"}, {})
    assert (update.data, update.changes) == ({"code": "ZZ", "name": "Zigzag"}, {"name": (None, "Zigzag")})
    assert other.data == {"code": "AA", "name": "Ameri"}
    assert other.changes == {"name": ("American", "Ameri"), "hub": ("DFW", None)}
    assert (delete.key, delete.data, delete.changes) == ("UA", {"code": "UA", "name": "United"}, {})
    assert {each.state for each in (insert, update, other, delete)} == {PendingState.PENDING}
    assert len({each.change_uuid for each in (insert, update, other, delete)}) == 4
    assert timedelta() <= datetime.now(UTC) - insert.made_at < timedelta(hours=1)
    assert insert.refusal is None
    assert replica.objects("flight").get_pending_upload() == []


def test_get_pending_upload_takes_a_condition_on_records_and_on_what_was_deleted(flights: Objects) -> None:
    flights.update_by_pk(AA1, {"delay": 7})
    flights.update_by_pk(AA1, {"delay": 30, "boarding": False})
    flights.delete_by_pk(AA2)
    flights.update_by_pk(B61, {"gate": "x"})
    everything = [("update", AA1), ("update", AA1), ("delete", AA2), ("update", B61)]
    assert brief(flights.get_pending_upload()) == everything
    assert brief(flights.get_pending_upload("delay >= ? AND _revision < 6", (20,))) == everything[:3]
    assert brief(flights.get_pending_upload("number = '2' AND \"flight\".day = :day", {"day": "2013-01-01"})) == [
        ("delete", AA2)
    ]
    assert flights.get_pending_upload("delay = 7") == []
    with pytest.raises(WhereInvalid, match="no such column"):
        flights.get_pending_upload("colour = 1")


def test_an_instance_shows_the_newest_state_of_the_server_below_it(
    replica: Replica, airlines: Objects, path: Path
) -> None:
    airlines.update_by_pk("AA", {"name": "mine"})
    receive(replica, FLEET[0]._replace(revision=30, data={"code": "AA", "hub": "JFK"}), revision=30)
    with Replica.open(path) as again:
        (instance,) = again.objects("airline").get_pending_upload()
        assert instance.data == {"code": "AA", "name": "mine", "hub": "JFK"}
        assert instance.changes == {"name": ("American", "mine")}


def test_an_update_of_what_the_server_deleted_has_no_record(replica: Replica, airlines: Objects, path: Path) -> None:
    airlines.update_by_pk("UA", {"name": "mine"})
    receive(replica, FLEET[2]._replace(revision=30, data=None), revision=30)
    with Replica.open(path) as again:
        assert [each.data for each in again.objects("airline").get_pending_upload()] == [None]
        assert again.objects("airline").get_all_details_by_pk("UA") is None


def test_get_pending_acknowledgement_has_what_was_sent(replica: Replica, airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "x"})
    assert airlines.get_pending_acknowledgement() == []
    assert replica.get_pending_acknowledgement().total_count == 0
    send(replica)
    airlines.update_by_pk("AA", {"name": "y"})
    (sent,) = airlines.get_pending_acknowledgement()
    assert (sent.state, sent.changes) == (PendingState.SENT, {"name": ("American", "x")})
    (waiting,) = airlines.get_pending_upload()
    assert waiting.changes == {"name": ("x", "y")}
    of_all = replica.get_pending_acknowledgement()
    assert of_all.total_count == 1
    assert of_all.scopes["fleet"].objects["airline"].data == [sent]


def test_get_deferred_upload_has_what_is_not_marked(replica: Replica, airlines: Objects) -> None:
    airlines.create({"code": "ZZ"}, upload=False)
    airlines.update_by_pk("AA", {"name": "x"}, upload=False)
    assert brief(airlines.get_deferred_upload()) == [("insert", "ZZ"), ("update", "AA")]
    assert brief(airlines.get_deferred_upload("code = ?", ("AA",))) == [("update", "AA")]
    assert airlines.get_pending_upload() == []
    assert replica.get_deferred_upload().total_count == 2
    assert send(replica) == []
    with pytest.raises(WhereInvalid):
        airlines.get_deferred_upload("nonsense(")


def test_mark_for_upload_by_pk(replica: Replica, airlines: Objects) -> None:
    airlines.create({"code": "ZZ"}, upload=False)
    with pytest.raises(DeferredRecord):
        airlines.update_by_pk("ZZ", {"name": "x"})
    airlines.update_by_pk("ZZ", {"name": "x"}, upload=False)
    assert airlines.mark_for_upload_by_pk("ZZ") == 2
    assert airlines.mark_for_upload_by_pk("ZZ") == 0
    assert airlines.mark_for_upload_by_pk("nowhere") == 0
    assert airlines.update_by_pk("ZZ", {"name": "y"}) == 1
    assert [message.key for message in send(replica)] == ["ZZ", "ZZ", "ZZ"]


def test_mark_for_upload_takes_a_condition_on_records_and_on_what_was_deleted(airlines: Objects) -> None:
    airlines.delete_by_pk("UA", upload=False)
    airlines.update_by_pk("B6", {"name": "x"}, upload=False)
    airlines.create({"code": "ZZ", "name": "x"}, upload=False)
    assert airlines.mark_for_upload("name = ?", ("United",)) == 1
    assert brief(airlines.get_pending_upload()) == [("delete", "UA")]
    with pytest.raises(WhereInvalid):
        airlines.mark_for_upload("nonsense(")
    assert airlines.mark_for_upload() == 2
    assert airlines.get_deferred_upload() == []


def test_is_pending_and_is_deferred(replica: Replica, airlines: Objects) -> None:
    assert (airlines.is_pending("AA"), airlines.is_deferred("AA")) == (False, False)
    airlines.update_by_pk("AA", {"name": "x"}, upload=False)
    assert (airlines.is_pending("AA"), airlines.is_deferred("AA")) == (False, True)
    airlines.mark_for_upload_by_pk("AA")
    assert (airlines.is_pending("AA"), airlines.is_deferred("AA")) == (True, False)
    send(replica)
    assert airlines.is_pending("AA")
    airlines.delete_by_pk("UA")
    assert airlines.is_pending("UA")
    with pytest.raises(ValidationFailed):
        airlines.is_pending(5)
    with pytest.raises(ValidationFailed):
        airlines.is_deferred(5)


def test_g7_a_rejected_change_says_why_and_holds_back_its_record_only(replica: Replica, airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "x"})
    (message,) = send(replica)
    reject(replica, message, "not today")
    airlines.update_by_pk("AA", {"name": "y"})
    airlines.update_by_pk("UA", {"name": "z"})
    (rejected,) = airlines.get_rejected()
    assert (rejected.state, rejected.key) == (PendingState.REJECTED, "AA")
    assert rejected.refusal is not None
    assert "not today" in rejected.refusal.message
    assert [(each.key, each.state) for each in airlines.get_pending_upload()] == [
        ("AA", PendingState.HELD),
        ("UA", PendingState.PENDING),
    ]
    assert replica.get_rejected().scopes["fleet"].objects["airline"].data == [rejected]
    record = airlines.get_all_details_by_pk("AA")
    assert record is not None
    assert record.pending


def test_resend_sends_the_record_as_it_stands(replica: Replica, airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "x"})
    (message,) = send(replica)
    assert airlines.resend("AA") == 0
    reject(replica, message, "not today")
    airlines.update_by_pk("AA", {"name": "y", "hub": "JFK"})
    assert airlines.resend("AA") == 1
    assert airlines.get_rejected() == []
    (waiting,) = airlines.get_pending_upload()
    assert (waiting.state, waiting.data) == (PendingState.PENDING, {"code": "AA", "name": "y", "hub": "JFK"})
    assert airlines.resend("nowhere") == 0


def test_all_pending_upload_instances_are_listed_by_scope_and_type(replica: Replica, airlines: Objects) -> None:
    airlines.update_by_pk("AA", {"name": "x"})
    airlines.update_by_pk("AA", {"name": "y"})
    airlines.delete_by_pk("UA")
    airlines.update_by_pk("B6", {"name": "x"}, upload=False)
    replica.objects("extra.tab1").update_by_pk("t", {"size": 5})
    none = ObjectInstances(0, [])
    pending = replica.get_all_pending_upload_instances()
    assert pending == replica.get_pending_upload()
    assert pending == PendingInstances(
        4,
        {
            "extra": ScopeInstances(
                1, {"tab1": ObjectInstances(1, replica.objects("extra.tab1").get_pending_upload())}
            ),
            "fleet": ScopeInstances(
                3,
                {
                    "airline": ObjectInstances(3, airlines.get_pending_upload()),
                    "crew": none,
                    "flight": none,
                    "holiday": none,
                    "memo": none,
                    "rate": none,
                },
            ),
            "later": ScopeInstances(0, {"new": none}),
        },
    )
    counts = replica.get_all_pending_upload_instances(retrieve_only_count=True)
    assert counts.total_count == 4
    for scope, in_scope in pending.scopes.items():
        assert counts.scopes[scope] == ScopeInstances(
            in_scope.count, {name: ObjectInstances(each.count, None) for name, each in in_scope.objects.items()}
        )


def test_before_the_first_synchronisation_nothing_is_pending(tmp_path: Path) -> None:
    with Replica.open(tmp_path / "new.db") as replica:
        assert replica.get_all_pending_upload_instances() == PendingInstances(0, {})


def test_counting_reads_no_record(replica: Replica, airlines: Objects) -> None:
    """What SQLite reads to count, it says itself: each column that a statement is about to read."""
    airlines.update_by_pk("AA", {"name": "x"})
    path = replica._file.path

    def columns_read(look: object) -> set[str]:
        read: set[str] = set()

        def note(action: int, table: str | None, column: str | None, *_: str | None) -> int:
            if action == sqlite3.SQLITE_READ and table not in (None, "syncline_meta", "sqlite_master"):
                read.add(f"{table}.{column}")
            return sqlite3.SQLITE_OK

        connection = sqlite3.connect(path, isolation_level=None)
        connection.set_authorizer(note)
        assert callable(look)
        assert look(connection, ChangeState.PENDING).total_count == 1
        connection.close()
        return read

    assert columns_read(count_instances) == {f"syncline_change.{name}" for name in ("state", "scope", "object_type")}
    assert {"syncline_change.data", "syncline_change.edits"} < columns_read(load_instances)
