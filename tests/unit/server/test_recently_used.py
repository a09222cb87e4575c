"""A cache keeps what was used last, and no more of it than it may."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncline.server.recently_used import RecentlyUsed

ENTRIES_MAX = 3
ACTS = st.lists(st.tuples(st.sampled_from(["get", "put", "drop"]), st.integers(0, 5)))


@given(ACTS)
def test_it_keeps_those_that_were_used_last(acts: list[tuple[str, int]]) -> None:
    cache = RecentlyUsed[int, str](ENTRIES_MAX)
    kept: list[tuple[int, str]] = []  # what was used last stands last
    for number, (act, key) in enumerate(acts):
        found = next((value for other, value in kept if other == key), None)
        rest = [entry for entry in kept if entry[0] != key]
        match act:
            case "get":
                assert cache.get(key) == found
                kept = kept if found is None else [*rest, (key, found)]
            case "put":
                cache.put(key, str(number))
                kept = [*rest, (key, str(number))][-ENTRIES_MAX:]
            case "drop":
                cache.drop(key)
                kept = rest
        assert len(cache) == len(kept)
    assert [cache.get(key) for key in range(6)] == [dict(kept).get(key) for key in range(6)]
