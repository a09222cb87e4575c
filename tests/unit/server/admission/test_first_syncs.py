"""The line of first syncs: few at a time, in order, and no place is kept for a device that sleeps."""

from __future__ import annotations

import asyncio

import pytest

from syncline.server.admission import first_syncs
from syncline.server.admission.first_syncs import FirstSync, FirstSyncs
from syncline.server.errors import OverLimit


async def nothing() -> None:
    pass


def begin(line: FirstSyncs) -> tuple[FirstSync, asyncio.Task[None]]:
    sync = line.join(object())
    return sync, asyncio.create_task(sync.read(nothing))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_places_are_given_in_the_order_of_coming() -> None:
    line = FirstSyncs(2, wait_seconds=60)
    syncs = [begin(line) for _ in range(5)]
    await settle()
    assert [task.done() for _, task in syncs] == [True, True, False, False, False]
    assert (len(line), line.waiting) == (2, 3)

    await syncs[0][0].read(nothing)  # whoever has a place keeps it
    syncs[1][0].leave()
    await settle()
    assert [task.done() for _, task in syncs] == [True, True, True, False, False]

    syncs[3][1].cancel()  # a client that leaves the line
    syncs[0][0].leave()
    await settle()
    assert syncs[4][1].done()
    assert (len(line), line.waiting) == (2, 0)


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    line = FirstSyncs(1, wait_seconds=0.01)
    first, _ = begin(line)
    _, second = begin(line)
    with pytest.raises(OverLimit) as caught:
        await second
    assert caught.value.subject == "server:first_syncs"
    assert caught.value.retry_seconds
    assert line.waiting == 0
    first.leave()
    assert len(line) == 0


async def test_a_device_that_takes_nothing_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_syncs, "STALL_SECONDS", 0.0)
    monkeypatch.setattr(first_syncs, "_LOOK_SECONDS", 0.001)
    line = FirstSyncs(1, wait_seconds=60)
    sleeper, _ = begin(line)
    await settle()
    reading = asyncio.Event()
    second = line.join(object())
    busy = asyncio.create_task(second.read(reading.wait))
    third, waits = begin(line)
    while len(line) != 1 or sleeper in line._holders:  # noqa: ASYNC110  # no event tells
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    assert not waits.done(), "a read that is under way keeps its place"
    reading.set()
    await busy
    await waits
    again = asyncio.create_task(sleeper.read(nothing))  # it stands in line like everybody
    await again
    third.leave()
    sleeper.leave()
    assert len(line) == 0


async def test_what_a_loading_device_calls_is_part_of_its_first_sync() -> None:
    line = FirstSyncs(1, wait_seconds=60)
    old, new = line.join("device"), line.join("device")
    old.leave()
    assert line.is_loading("device")
    new.leave()
    assert not line.is_loading("device")
