from __future__ import annotations

import pytest

import syncline.storage
from syncline.storage import open_store
from syncline.storage.errors import InvalidValue
from syncline.storage.memory import MemoryStore


def test_exported_names() -> None:
    assert sorted(syncline.storage.__all__) == ["Store", "open_store"]


@pytest.mark.parametrize("url", ["memory:", "memory://"])
def test_the_scheme_chooses_the_store(url: str) -> None:
    assert isinstance(open_store(url), MemoryStore)


@pytest.mark.parametrize("url", ["", "mysql://host/name", "Memory:", "/a/path", ":"])
def test_an_unknown_scheme_names_those_that_are_known(url: str) -> None:
    with pytest.raises(InvalidValue, match="memory, postgresql, sqlite"):
        open_store(url)


@pytest.mark.parametrize("url", ["memory:name", "memory://host/name"])
def test_a_store_in_memory_has_no_name(url: str) -> None:
    with pytest.raises(InvalidValue, match="write memory:"):
        open_store(url)


@pytest.mark.parametrize("url", ["postgresql://user@host:port/name", "sqlite://host:port/path"])
def test_a_port_that_is_no_number_is_told(url: str) -> None:
    with pytest.raises(InvalidValue, match="not a URL"):
        open_store(url)


def test_an_address_that_cannot_be_read_is_not_told_as_it_may_hold_a_password() -> None:
    password = "hunter2hunter2"  # noqa: S105  no secret of anybody
    urls = (password, f"host=h password={password}", f"postgresql://ann:a@{password}@h/d", f"postgresql:ann:{password}")
    for url in urls:
        with pytest.raises(InvalidValue) as caught:
            open_store(url)
        assert password not in str(caught.value)


def test_items_are_refused_at_least_once_before_they_are_parked() -> None:
    with pytest.raises(InvalidValue, match="at least 1"):
        open_store("memory:", max_rejections=0)
