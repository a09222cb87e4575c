"""UUIDs that sort by time."""

from __future__ import annotations

import time
from uuid import RFC_4122

from syncline.data.ids import uuid7


def test_a_uuid_of_version_7_begins_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_no_two_are_equal() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000
