"""A set of keys that keeps only digests, beside a real set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncline.server.importing.key_digests import KeyDigests


@given(st.lists(st.text(max_size=3)))
def test_a_key_is_new_once(keys: list[str]) -> None:
    digests, known = KeyDigests(), set[str]()
    for key in keys:
        assert digests.add(key) == (key not in known)
        known.add(key)
        assert len(digests) == len(known)


def test_it_grows_and_forgets_nothing() -> None:
    keys = [f"key {number}" for number in range(20_000)]
    digests = KeyDigests()
    assert all(digests.add(key) for key in keys)
    assert not any(digests.add(key) for key in keys)
    assert len(digests) == len(keys)
