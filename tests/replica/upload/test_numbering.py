"""The numbers of changes, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.replica import numbering
from syncline.replica.connection import transaction
from syncline.replica.local_database import LocalDatabase
from syncline.replica.outbox import Place, last_change_no, next_batch
from syncline.v1 import upload_pb2
from tests.replica.building import Bench, page, put, segment


@pytest.fixture
def sent(bench: Bench, path: Path) -> Iterator[Bench]:
    """A file of which five changes were sent under 1 to 5, the third and fourth as one transaction."""
    bench.apply(page(segment(*(put(key, revision) for revision, key in enumerate("abcde", start=1))), checkpoint=5))
    local = LocalDatabase(path)
    for keys in ("a", "b", "cd", "e"):
        with local.transaction() as writer:
            for key in keys:
                writer.update("item", key, {"name": "changed"})
    send(bench)
    yield bench
    local.close()


def send(bench: Bench) -> list[upload_pb2.Change]:
    """Send all that may go up."""
    with transaction(bench.connection):
        place = Place(through_no=last_change_no(bench.connection))
        return next_batch(bench.connection, place, lambda _: True, "epoch 1")


def numbers(bench: Bench) -> dict[str, int | None]:
    return dict(bench.connection.execute("SELECT key, change_seq FROM syncline_change ORDER BY change_no"))


def settle(bench: Bench, *seqs: int) -> None:
    """The answers to these have come."""
    with transaction(bench.connection):
        for seq in seqs:
            bench.connection.execute("UPDATE syncline_change SET state = 'settled' WHERE change_seq = ?", (seq,))
            numbering.note_answered(bench.connection, seq)


def rejected(bench: Bench) -> dict[str, str]:
    rows = bench.connection.execute("SELECT key, refusal FROM syncline_change WHERE state = 'rejected'")
    return {key: json.loads(refusal)["reason"] for key, refusal in rows}


def test_settled_through_stops_before_the_first_without_a_verdict(sent: Bench) -> None:
    assert numbering.settled_through(sent.connection) == 0
    settle(sent, 1, 2, 4)
    assert numbering.settled_through(sent.connection) == 2
    settle(sent, 3, 5)
    assert numbering.settled_through(sent.connection) == 5


def test_a_reused_number_and_all_later_ones_are_given_anew(sent: Bench) -> None:
    """SEQ_REUSED: in order, above the server's and the device's own numbers, with the same UUIDs."""
    settle(sent, 1)
    before = {change.key: change.change_uuid for change in send(sent)}
    with transaction(sent.connection):
        assert numbering.renumber(sent.connection, 3, 4) == 3
    assert numbers(sent) == {"a": 1, "b": 2, "c": 6, "d": 7, "e": 8}
    again = send(sent)
    assert {change.key: change.change_uuid for change in again} == before
    assert [(change.key, change.change_seq) for change in again] == [("b", 2), ("c", 6), ("d", 7), ("e", 8)]
    assert again[1].transaction_id == again[2].transaction_id != b""
    with transaction(sent.connection):
        numbering.renumber(sent.connection, 2, 50)
    assert numbers(sent) == {"a": 1, "b": 50, "c": 51, "d": 52, "e": 53}
    assert numbering.next_change_seq(sent.connection) == 54


def test_a_number_that_was_settled_long_ago_rejects_its_transaction(sent: Bench) -> None:
    with transaction(sent.connection):
        numbering.refuse_settled(sent.connection, 3, 3, lambda _: True)
    assert rejected(sent) == {"c": "SEQ_SETTLED", "d": "SEQ_SETTLED"}


def test_what_was_not_sent_is_not_meant_by_a_range_of_settled_numbers(sent: Bench) -> None:
    sent.connection.execute("UPDATE syncline_change SET scope = 'second' WHERE key = 'b'")
    with transaction(sent.connection):
        assert numbering.refuse_settled(sent.connection, 1, 3, lambda scope: scope == "main") == [1, 3, 4]
    assert rejected(sent) == dict.fromkeys("acd", "SEQ_SETTLED")


def test_a_restored_file_goes_on_from_the_servers_number(sent: Bench) -> None:
    with transaction(sent.connection):
        assert numbering.go_on_from(sent.connection, 40, 0) == []
    assert numbering.next_change_seq(sent.connection) == 40
    with transaction(sent.connection):
        numbering.go_on_from(sent.connection, 7, 0)
    assert numbering.next_change_seq(sent.connection) == 40


def test_g8_a_forgotten_device_keeps_what_has_no_verdict_as_rejected(sent: Bench) -> None:
    settle(sent, 1, 2)
    with transaction(sent.connection):
        assert numbering.go_on_from(sent.connection, 1, 2) == [3, 4, 5]
    assert rejected(sent) == dict.fromkeys("cde", "STALE_DEVICE")
    # The server is not told of verdicts that it does not know of, and no number is used again.
    assert numbering.settled_through(sent.connection) == 0
    assert numbering.next_change_seq(sent.connection) == 6
