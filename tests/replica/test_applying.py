"""Pages put into a file: order of revisions, repeats, both ways of applying."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.replica import TypeCounts
from tests.replica.building import Bench, Item, gone, page, put, segment


@pytest.fixture(params=[False, True], ids=["checkpoint", "page"])
def any_bench(request: pytest.FixtureRequest, path: Path) -> Iterator[Bench]:
    bench = Bench(path, by_page=request.param)
    yield bench
    bench.close()


def test_a_first_load_counts_and_shows_its_records(any_bench: Bench) -> None:
    first = any_bench.apply(page(segment(put("a", 1), put("b", 2))))
    last = any_bench.apply(page(segment(put("c", 3), gone("b", 4), above=2), checkpoint=4))
    assert any_bench.names() == {"a": "a@1", "c": "c@3"}
    assert first.counts["item"] == TypeCounts(received=2, inserted=2)
    assert last.counts["item"] == TypeCounts(received=2, inserted=1, deleted=1)


def test_the_later_revision_wins_in_whatever_order_they_come(any_bench: Bench) -> None:
    any_bench.apply(page(segment(put("a", 5), put("b", 6), gone("c", 9))))
    any_bench.apply(page(segment(put("a", 3), gone("b", 4), put("c", 7)), checkpoint=9))
    seen = {"a": "a@5", "b": "b@6"}
    # Page by page a delete is done when it comes; the server never sends what it hides afterwards.
    assert any_bench.names() == (seen | {"c": "c@7"} if any_bench.by_page else seen)


def test_a_departure_at_the_revision_held_is_no_delete(any_bench: Bench) -> None:
    """A move is one revision: the record in its new bucket, the departure in its old one."""
    moved = segment(put("a", 5), bucket="new")
    left = segment(gone("a", 5), bucket="old")
    any_bench.apply(page(segment(put("a", 1), put("b", 2), bucket="old"), checkpoint=2))
    any_bench.apply(page(moved, left, checkpoint=5))
    assert any_bench.names() == {"a": "a@5", "b": "b@2"}
    any_bench.apply(page(left, moved, checkpoint=5))
    assert any_bench.names() == {"a": "a@5", "b": "b@2"}


def test_g4_a_page_that_comes_again_changes_nothing(any_bench: Bench) -> None:
    pages = [
        page(segment(put("a", 1), put("b", 2))),
        page(segment(put("a", 3), gone("b", 4), above=2)),
        page(segment(put("c", 5), above=4), checkpoint=5),
    ]
    for each in pages:
        any_bench.apply(each)
        any_bench.apply(each)
    once = any_bench.names()
    for each in pages[1:]:
        any_bench.apply(each)
    assert any_bench.names() == once == {"a": "a@3", "c": "c@5"}


def test_any_history_ends_as_its_newest_revisions_say(path: Path) -> None:
    """Random changes over several sessions, pages and restarts of the file, against a plain dictionary."""
    for seed in range(8):
        rng = random.Random(seed)
        file = path.with_name(f"{seed}.db")
        bench = Bench(file, by_page=seed % 2 == 1)
        expected: dict[str, str] = {}
        revision = 0
        for _ in range(rng.randrange(5, 30)):
            above, items = revision, []
            for _ in range(rng.randrange(6)):
                revision += 1
                items.append(_change(rng, revision, expected))
            at_checkpoint = rng.random() < 0.4
            bench.apply(page(segment(*items, above=above), checkpoint=revision if at_checkpoint else None))
            if at_checkpoint:
                assert bench.names() == expected, f"seed {seed}, revision {revision}"
            if rng.random() < 0.2:
                bench.close()
                bench = Bench(file, by_page=rng.random() < 0.5)
        bench.close()


def _change(rng: random.Random, revision: int, expected: dict[str, str]) -> Item:
    key = f"k{rng.randrange(8)}"
    if rng.random() < 0.3:
        expected.pop(key, None)
        return gone(key, revision)
    expected[key] = f"{key}@{revision}"
    return put(key, revision)
