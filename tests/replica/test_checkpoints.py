"""What readers see, and what a checkpoint removes."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncline.replica import QueryFailed
from syncline.replica.adopting import adopt_store_epoch
from syncline.v1 import queue_pb2
from tests.replica.building import Bench, gone, page, put, segment

BOTH = (("main", ""), ("main", "b"))


def position(scope: str, bucket: str, load: str = "first") -> queue_pb2.FeedPosition:
    return queue_pb2.FeedPosition(scope=scope, bucket=bucket, load=load, position="p")


def test_g5_a_table_appears_with_its_first_checkpoint(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1))))
    with pytest.raises(QueryFailed, match="no such table: item"):
        bench.names()
    bench.apply(page(segment(put("b", 2), above=1), checkpoint=2))
    assert bench.names() == {"a": "a@1", "b": "b@2"}


def test_g5_nothing_shows_between_checkpoints(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1), put("b", 2)), checkpoint=2))
    bench.apply(page(segment(put("a", 3), gone("b", 4), put("c", 5), above=2)))
    assert bench.names() == {"a": "a@1", "b": "b@2"}
    assert bench.reader.status().staged == 3
    bench.apply(page(segment(put("d", 6), above=5), checkpoint=6))
    assert bench.names() == {"a": "a@3", "c": "c@5", "d": "d@6"}
    assert bench.reader.status().staged == 0


def test_by_page_every_page_shows(path: Path) -> None:
    bench = Bench(path, by_page=True)
    bench.apply(page(segment(put("a", 1))))
    assert bench.names() == {"a": "a@1"}
    bench.apply(page(segment(gone("a", 2), above=1)))
    assert bench.names() == {}
    bench.close()


def test_a_load_that_began_for_checkpoints_may_go_on_by_page(bench: Bench, path: Path) -> None:
    bench.apply(page(segment(put("a", 1), put("b", 2))))
    bench.apply(page(segment(put("a", 3), above=2)))
    bench.close()
    by_page = Bench(path, by_page=True)
    assert by_page.names() == {"a": "a@3", "b": "b@2"}
    by_page.close()


def test_a_checkpoint_of_one_scope_leaves_the_other_as_it_is(bench: Bench) -> None:
    second = segment(put("x", 1, object_type="other"), scope="second")
    bench.apply(page(second))
    bench.start("main")
    bench.apply(page(segment(put("a", 2)), checkpoint=2))
    assert bench.names() == {"a": "a@2"}
    with pytest.raises(QueryFailed):
        bench.names("other")
    bench.start("second")
    bench.apply(page(second, checkpoint=2))
    assert bench.names("other") == {"x": "x@1"}
    bench.apply(page(segment(put("x", 5, object_type="other"), scope="second", above=1)))
    bench.start("main")
    bench.apply(page(segment(put("a", 6), above=2), checkpoint=6))
    assert (bench.names(), bench.names("other")) == ({"a": "a@6"}, {"x": "x@1"})


def test_rows_of_a_feed_that_is_no_longer_served_go(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1)), segment(put("b", 2), bucket="b"), checkpoint=2))
    swept = bench.apply(page(feeds=(("main", ""),), checkpoint=3))
    assert bench.names() == {"a": "a@1"}
    assert swept.counts["item"].deleted == 1


def test_rows_of_an_earlier_load_go(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1), put("b", 2)), checkpoint=2))
    bench.apply(page(segment(put("a", 1)), load="second"))
    assert bench.names() == {"a": "a@1", "b": "b@2"}
    bench.apply(page(segment(put("c", 4), above=1), load="second", checkpoint=4))
    assert bench.names() == {"a": "a@1", "c": "c@4"}


def test_a_load_that_was_given_up_on_the_way_is_swept(bench: Bench) -> None:
    """A first load is interrupted; the server asks for a new one, in which a record is missing by then."""
    bench.apply(page(segment(put("a", 1), put("b", 2))))
    bench.start()
    bench.apply(page(segment(put("a", 1), put("c", 3)), load="second", checkpoint=4))
    assert bench.names() == {"a": "a@1", "c": "c@3"}


def test_rows_of_another_history_are_older_than_anything(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 100), put("b", 200), put("c", 300)), checkpoint=300))
    bench.apply(page(segment(put("d", 400), above=300)))
    adopt_store_epoch(bench.connection, "epoch 2")
    bench.start()
    assert bench.reader.status().feeds == ()
    bench.apply(page(segment(put("a", 5), gone("b", 6)), load="second"))
    assert bench.names() == {"a": "a@100", "b": "b@200", "c": "c@300"}
    bench.apply(page(load="second", feeds=(("main", ""),), checkpoint=7))
    assert bench.names() == {"a": "a@5"}


def test_nothing_new_is_a_checkpoint_too(bench: Bench) -> None:
    """All pages but the last arrived in an earlier session, and what was left has gone since."""
    bench.apply(page(segment(put("a", 1))))
    bench.start()
    counts = bench.applier.nothing_new([position("main", "")], (), 2)
    assert bench.names() == {"a": "a@1"}
    assert counts == {}
    assert bench.reader.status().checkpoint_revision == 2


def test_nothing_new_drops_a_feed_that_is_no_longer_served(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1)), segment(put("b", 2), bucket="b"), checkpoint=2))
    bench.start()
    bench.applier.nothing_new([position("main", "")], (), 2)
    assert bench.names() == {"a": "a@1"}
    assert [feed.bucket for feed in bench.reader.status().feeds] == [""]


def test_nothing_new_writes_nothing_if_nothing_changed(bench: Bench) -> None:
    bench.apply(page(segment(put("a", 1)), checkpoint=1))
    bench.applier.nothing_new([position("main", "")], (), 1)
    before = bench.connection.total_changes
    bench.start()
    bench.applier.nothing_new([position("main", "")], (), 1)
    assert bench.connection.total_changes == before


def test_a_row_that_went_into_an_unread_load_is_not_kept_by_chance(bench: Bench) -> None:
    """An item sent again by key, of a feed that the file knows nothing of."""
    bench.apply(page(segment(put("a", 1), bucket="b", redelivered=True), feeds=(("main", ""),), checkpoint=1))
    assert bench.names() == {}
