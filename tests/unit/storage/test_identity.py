from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncline.storage.identity import item_digest, random_id

names = st.text()


def test_random_ids_fit_every_database() -> None:
    ids = {random_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(0 < one < 1 << 63 for one in ids)


@given(names, names)
def test_digests_are_64_bits(object_type: str, key: str) -> None:
    assert 0 <= item_digest(object_type, key) < 1 << 64
    assert item_digest(object_type, key) == item_digest(object_type, key)


@given(names, names)
def test_where_the_type_ends_matters(first: str, second: str) -> None:
    joined = first + second
    digests = {item_digest(joined[:cut], joined[cut:]) for cut in range(len(joined) + 1)}
    assert len(digests) == len(joined) + 1


def test_digests_stay_as_they_are() -> None:
    """They stand in acknowledgement keys that devices keep across an update of the server."""
    assert item_digest("note", "größe 😀") == 3441296945559658272
