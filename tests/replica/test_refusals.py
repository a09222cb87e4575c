"""Items that a device cannot take: they hold up nothing, and are kept until they are settled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncline.replica import Candidate, Refusal, TooManyRefused
from syncline.v1 import queue_pb2
from tests.replica.building import Bench, Item, gone, page, put, segment


def no_twos(item: Candidate, data: dict[str, Any]) -> str | None:
    if data["name"] == "two":
        return "twos are not for us"
    if data["name"] == "boom":
        raise LookupError("no luck")
    return None


@pytest.fixture
def picky(path: Path) -> Iterator[Bench]:
    bench = Bench(path, accept=no_twos)
    yield bench
    bench.close()


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (Item("bad", 2, b"{broken"), "no JSON object"),
        (Item("bad", 2, b"[1]"), "no JSON object"),
        (Item("bad", 2, b""), "empty"),
        (Item("bad", 2, b'{"name":"\xff"}'), "not UTF-8"),
        (put("bad", 2, object_type="unheard_of"), "no object type 'unheard_of'"),
    ],
)
@pytest.mark.parametrize("loaded", [False, True], ids=["loading", "loaded"])
def test_g7_bad_data_never_holds_up_its_neighbours(bench: Bench, item: Item, reason: str, loaded: bool) -> None:
    if loaded:
        bench.apply(page(segment(put("a", 1)), checkpoint=1))
    applied = bench.apply(page(segment(put("a", 1), item, put("c", 3))))
    bench.apply(page(segment(put("d", 4), above=3), checkpoint=4))
    assert bench.names() == {"a": "a@1", "c": "c@3", "d": "d@4"}
    (refused,) = applied.refusals
    assert (refused.object_type, refused.key, refused.revision) == (item.object_type, "bad", 2)
    assert reason in refused.reason
    assert applied.counts[item.object_type].rejected == 1
    assert bench.reader.status().failed == (refused,)


def test_the_application_refuses_with_a_reason_or_an_exception(picky: Bench) -> None:
    applied = picky.apply(page(segment(put("a", 1, "one"), put("b", 2, "two"), put("c", 3, "boom")), checkpoint=3))
    assert [refused.reason for refused in applied.refusals] == ["twos are not for us", "LookupError: no luck"]
    assert picky.names() == {"a": "one"}


def test_a_refused_item_that_is_taken_when_it_comes_again_is_settled(picky: Bench) -> None:
    picky.apply(page(segment(put("a", 1, "two")), checkpoint=1))
    picky.accept = None
    picky.start()
    picky.apply(page(segment(put("a", 1, "two"), redelivered=True), feeds=(("main", ""),), checkpoint=1))
    assert picky.names() == {"a": "two"}
    assert picky.reader.status().failed == ()


def test_a_refused_item_that_is_refused_again_stays(picky: Bench) -> None:
    picky.apply(page(segment(put("a", 1, "two")), checkpoint=1))
    again = picky.apply(page(segment(put("a", 1, "two"), redelivered=True), feeds=(("main", ""),), checkpoint=1))
    assert len(again.refusals) == 1
    assert len(picky.reader.status().failed) == 1


@pytest.mark.parametrize(
    ("item", "redelivered", "settled"),
    [
        (put("a", 6, "later"), False, True),
        (gone("a", 6), False, True),
        (gone("a", 5), False, False),
        (gone("a", 5), True, True),
    ],
    ids=["later record", "later delete", "departure of its own revision", "absent when sent again"],
)
def test_what_ends_a_refusal(picky: Bench, item: Item, redelivered: bool, settled: bool) -> None:
    picky.apply(page(segment(put("a", 5, "two"), bucket="b"), checkpoint=5))
    both = (("main", ""), ("main", "b"))
    picky.apply(page(segment(item, redelivered=redelivered), feeds=both, checkpoint=6))
    assert (picky.reader.status().failed == ()) is settled


def test_the_row_of_a_refused_item_is_not_swept(picky: Bench) -> None:
    picky.apply(page(segment(put("a", 1, "one"), put("b", 2, "old")), checkpoint=2))
    picky.apply(page(segment(put("a", 3, "two")), load="second", checkpoint=3))
    assert picky.names() == {"a": "one"}
    # Once it is settled without a row of the new load, the next sweep takes it.
    picky.apply(page(segment(gone("b", 4), above=3), load="second", checkpoint=4))
    assert picky.names() == {"a": "one"}
    picky.accept = None
    picky.start()
    picky.apply(page(segment(put("a", 3, "two"), redelivered=True), load="second", feeds=(("main", ""),), checkpoint=4))
    assert picky.names() == {"a": "two"}
    assert picky.connection.execute("SELECT count(*) FROM syncline_load").fetchone() == (1,)


def test_parked_items_are_known_as_such(picky: Bench) -> None:
    picky.apply(page(segment(put("a", 1, "two")), checkpoint=1))
    told = queue_pb2.FailedObject(object_type="item", key="a", revision=1, state=queue_pb2.FailedObject.STATE_PARKED)
    picky.applier.note_states([told])
    assert picky.reader.status().failed == (Refusal("item", "a", 1, "twos are not for us", parked=True),)


def test_a_device_that_refuses_too_much_stops_before_it_loses_track(path: Path) -> None:
    bench = Bench(path, accept=lambda item, data: "never")
    bench.apply(page(segment(*(put(f"k{number}", number) for number in range(1, 1_001)))))
    with pytest.raises(TooManyRefused, match="never"):
        bench.apply(page(segment(put("one more", 1_001), above=1_000)))
    status = bench.reader.status()
    assert (len(status.failed), status.feeds[0].revision) == (1_000, 1_000)
    bench.close()


def test_a_redelivered_item_does_not_replace_a_newer_refusal(picky: Bench) -> None:
    picky.apply(page(segment(put("a", 1, "two")), checkpoint=1))
    picky.apply(page(segment(put("a", 5, "two"), above=1), checkpoint=5))
    picky.apply(page(segment(put("a", 1, "two"), redelivered=True), feeds=(("main", ""),), checkpoint=5))
    (refused,) = picky.reader.status().failed
    assert refused.revision == 5
