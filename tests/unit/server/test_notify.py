"""Hints within one process."""

from __future__ import annotations

import asyncio
from uuid import UUID

from syncline.server.notify import Listener, LocalNotifier

ONE, TWO = UUID(int=1), UUID(int=2)


async def test_a_head_that_moves_reaches_the_account_s_streams_once() -> None:
    notifier = LocalNotifier()
    with notifier.listen("a", ONE, 1) as mine, notifier.listen("a", TWO, 2) as too, notifier.listen("b", ONE, 3) as no:
        for revision in (5, 6, 4):
            notifier.head_moved("a", revision)

        await mine.wait(60)
        await too.wait(60)

        assert (mine.head_revision, too.head_revision, no.head_revision) == (6, 6, 0)


async def test_hints_come_from_any_thread() -> None:
    notifier = LocalNotifier()
    with notifier.listen("a", ONE, 1) as listener:
        await asyncio.to_thread(notifier.head_moved, "a", 7)

        await listener.wait(60)

        assert listener.head_revision == 7


async def test_a_hint_before_the_wait_is_not_lost() -> None:
    notifier = LocalNotifier()
    with notifier.listen("a", ONE, 1) as listener:
        listener.wake()

        await listener.wait(60)


async def test_a_wait_ends_by_itself() -> None:
    notifier = LocalNotifier()
    with notifier.listen("a", ONE, 1) as listener:
        await listener.wait(0)

        assert listener.head_revision == 0


async def test_a_new_stream_challenges_the_device_s_others_only() -> None:
    notifier = LocalNotifier()
    with (
        notifier.listen("a", ONE, 1) as older,
        notifier.listen("a", ONE, 2) as newer,
        notifier.listen("a", TWO, 3) as other,
    ):
        notifier.stream_opened("a", ONE, 2)

        await older.wait(60)

        assert (older.challenged, newer.challenged, other.challenged) == (True, False, False)


async def test_an_account_is_listened_to_as_long_as_it_has_streams() -> None:
    notifier = LocalNotifier()
    with notifier.listen("a", ONE, 1):
        with notifier.listen("a", ONE, 2):
            assert notifier.accounts() == ["a"]
        assert notifier.accounts() == ["a"]

    assert notifier.accounts() == []


async def test_changes_of_requests_reach_the_account_s_watchers_and_new_ones_the_workers() -> None:
    notifier = LocalNotifier()
    with (
        notifier.listen_requests("a") as watcher,
        notifier.listen_requests("b") as other,
        notifier.listen_requests(None) as worker,
    ):
        notifier.requests_changed("a")
        await watcher.wait(60)
        await asyncio.sleep(0)
        assert [is_woken(listener) for listener in (other, worker)] == [False, False]

        notifier.request_made("a")
        await watcher.wait(60)
        await worker.wait(60)
        assert not is_woken(other)

        notifier.wake_all()
        assert is_woken(other)


def is_woken(listener: Listener) -> bool:
    return listener._woken.is_set()
