"""Hints as messages between processes."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from syncline.server.notify import LocalNotifier
from syncline.server.notify.messages import DEVICES_MAX, HintKind, Outbox, deliver

DEVICE = UUID(int=1)


async def test_any_number_of_hints_is_one_message_of_each_account_and_kind() -> None:
    outbox = Outbox()
    for revision in (5, 7, 6):
        outbox.put(HintKind.HEAD_MOVED, "a", number=revision)
        outbox.put(HintKind.HEAD_MOVED, "b", number=revision)
        outbox.put(HintKind.REQUESTS_CHANGED, "a")
        outbox.put(HintKind.STREAM_OPENED, "a", DEVICE.hex, revision)
    messages = outbox.take()
    assert (len(messages), outbox.is_empty(), outbox.take()) == (4, True, [])

    notifier = LocalNotifier()
    with (
        notifier.listen("a", DEVICE, 6) as newest,
        notifier.listen("a", DEVICE, 5) as older,
        notifier.listen_requests("a") as watcher,
    ):
        for message in messages:
            deliver(message, notifier, origin="other")
        await watcher.wait(60)
        await older.wait(60)
        assert (newest.head_revision, newest.challenged, older.challenged) == (7, False, True)


async def test_a_process_does_not_hear_itself_nor_what_is_no_hint() -> None:
    outbox = Outbox()
    outbox.put(HintKind.HEAD_MOVED, "a", number=5)
    (message,) = outbox.take()
    notifier = LocalNotifier()
    with notifier.listen("a", DEVICE, 1) as listener:
        deliver(message, notifier, origin=outbox.origin)
        for wrong in ("", "{}", "[]", message.replace("head_moved", "other"), message.replace(":5", ':"x"')):
            deliver(wrong, notifier, origin="other")
        await asyncio.sleep(0)
        assert listener.head_revision == 0

        deliver(message, notifier, origin="other")
        await listener.wait(60)
        assert listener.head_revision == 5


@pytest.mark.parametrize("account_id", ["a" * 100, "\U0001f600" * 100, "\x00" * 100])
def test_a_message_has_the_size_that_postgres_takes(account_id: str) -> None:
    outbox = Outbox()
    for _ in range(2 * DEVICES_MAX + 1):
        outbox.put(HintKind.STREAM_OPENED, account_id, uuid4().hex, (1 << 63) - 1)

    sizes = []
    while messages := outbox.take():
        assert len(messages) == 1
        sizes.append(len(messages[0].encode()))

    assert len(sizes) == 3
    assert max(sizes) < 8_000
