"""How full an account is, as far as a server knows, with a clock that the test turns."""

from __future__ import annotations

import pytest

from syncline.server.admission.stored_limits import COUNT_SECONDS, COUNT_SECONDS_FULL, StoredLimits
from syncline.server.config import load_settings
from syncline.server.errors import OverLimit
from syncline.storage import open_store
from tests.harness.server import declare_notes
from tests.harness.wire import notes


class Desk:
    """A limit of four records, and a store that tells how often it counts."""

    def __init__(self, records: int) -> None:
        self.store = open_store("memory:")
        declare_notes(self.store)
        self.store.write_records("dev", notes(records))
        self.counted = 0
        self.now = 1_000.0
        self._count = self.store.count_records
        self.store.count_records = self.count  # type: ignore[method-assign]
        self.limits = StoredLimits(load_settings(account_records=4), self.store, lambda: self.now)

    def count(self, account_id: str) -> dict[str, int]:
        self.counted += 1
        return self._count(account_id)


def test_nobody_is_refused_for_what_was_let_in_but_was_not_new() -> None:
    desk = Desk(3)
    for _ in range(5):
        desk.limits.check_records("dev")
        desk.limits.note_new("dev", 3)  # the same ones, again and again
    assert desk.counted == 5


def test_what_was_let_in_and_was_new_fills_the_account() -> None:
    desk = Desk(3)
    desk.limits.check_records("dev")
    desk.store.write_records("dev", notes(4))
    desk.limits.note_new("dev", 1)
    with pytest.raises(OverLimit):
        desk.limits.check_records("dev")
    assert desk.counted == 2


def test_a_count_is_good_for_a_while() -> None:
    desk = Desk(2)
    assert not desk.limits.is_full("dev")
    desk.store.write_records("dev", notes(4))
    desk.now += COUNT_SECONDS - 1
    assert not desk.limits.is_full("dev")
    assert desk.counted == 1
    desk.now += 1
    assert desk.limits.is_full("dev")
    desk.now += COUNT_SECONDS_FULL - 1
    assert desk.limits.is_full("dev")
    assert desk.counted == 2
    desk.now += 1
    assert desk.limits.is_full("dev")
    assert desk.counted == 3
