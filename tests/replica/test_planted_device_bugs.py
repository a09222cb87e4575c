"""What is checked in random histories catches each of these bugs of a device.

Here each bug meets a short history in which it does harm. The same one without the bug passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from syncline.storage import open_store
from tests.chaos.offline_device import Act, OnRecord, Transaction, Write
from tests.chaos.offline_history import PLACES, OfflineHistory, one_history
from tests.chaos.offline_server import Place, ServerWrite, place, prepare_histories
from tests.harness.breaking_proxy import Loss
from tests.replica.planted_bugs import (
    frozen_bytes_encoded_again,
    held_taken_for_a_verdict,
    overlay_dropped_at_the_verdict,
    settled_before_it_is_stored,
    stale_roll_back,
)

KINDS = ("strict", "client_first")
STRICT, CLIENT_FIRST = PLACES
"""These two object types, by the names that a history gives them."""


class Planted(NamedTuple):
    """A bug, what happens, and how the harm shows."""

    plant: Callable[[pytest.MonkeyPatch], None]
    happen: Callable[[OfflineHistory], None]
    shows: str


def put(kind: str, value: str, *, field: str = "a", upload: bool = True) -> Act:
    """An application gives a field of the record that all devices have a value."""
    return Transaction((Write("put", kind, "1", field, value, parent="1", bucket="", upload=upload),))


def roll_back_after_news(history: OfflineHistory) -> None:
    news = ServerWrite(CLIENT_FIRST, "1", "a", "ccc", gone=False, bucket=None)
    history.work(0, [put(CLIENT_FIRST, "bb", upload=False)], [news])
    history.sync(0, [], None, 500)
    history.work(0, [OnRecord("roll_back", CLIENT_FIRST, "1")], [])


def push_only(history: OfflineHistory) -> None:
    history.push(0, [put(CLIENT_FIRST, "bb")])


def upload_many_messages(history: OfflineHistory) -> None:
    history.sync(0, [put(CLIENT_FIRST, "bb"), put(CLIENT_FIRST, "ccc"), put(STRICT, "bb")], None, 1)


def write_before_the_repeat(history: OfflineHistory) -> None:
    history.sync_on_a_bad_line(0, [put(CLIENT_FIRST, "bb")], Loss.ANSWER, 1, True, 500)
    history.sync(0, [put(CLIENT_FIRST, "ccc")], None, 500)


def edit_after_a_refused_edit(history: OfflineHistory) -> None:
    history.work(0, [], [ServerWrite(STRICT, "1", "a", "ccc", gone=False, bucket=None)])
    history.push(0, [put(STRICT, "bb"), put(STRICT, "bb", field="b")])


CASES = (
    Planted(stale_roll_back, roll_back_after_news, "only pages change the base"),
    Planted(overlay_dropped_at_the_verdict, push_only, "is gone before what came of it"),
    Planted(settled_before_it_is_stored, upload_many_messages, "told as settled through"),
    Planted(frozen_bytes_encoded_again, write_before_the_repeat, "was used with other bytes before"),
    Planted(held_taken_for_a_verdict, edit_after_a_refused_edit, "answered {'held'}"),
)


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    prepare_histories(monkeypatch)
    store = open_store("memory:")
    with place(store, tmp_path) as where:
        yield where
    store.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.plant.__name__)
def test_bug_is_caught(somewhere: Place, monkeypatch: pytest.MonkeyPatch, case: Planted) -> None:
    with one_history(somewhere, *KINDS) as sound:
        case.happen(sound)
    case.plant(monkeypatch)
    with pytest.raises(AssertionError, match=case.shows), one_history(somewhere, *KINDS) as buggy:
        case.happen(buggy)
