"""How much waits, in the model."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice

from syncline.storage.memory.state import AccountState, DeviceRow, MemoryState
from syncline.storage.models import DeviceState, Feed, Position
from syncline.storage.request_models import Operation
from syncline.storage.request_states import RequestStatus
from syncline.storage.statistics_models import (
    COUNTED_MAX,
    DEVICES_MAX,
    ENROLLMENTS_MAX,
    HOLEY_MAX,
    IN_TOUCH_US,
    NEWEST_REQUESTS,
    DeviceStanding,
    Statistics,
)


class MemoryStatistics(MemoryState):
    """`StatisticsStore`."""

    def read_clock(self) -> int:
        """See `StatisticsStore.read_clock`."""
        return time.time_ns() // 1_000

    def read_statistics(self, *, now: int) -> Statistics:
        """See `StatisticsStore.read_statistics`."""
        with self._lock:
            accounts = [account for _, account in sorted(self._accounts.items())]
            looked = list(islice(_devices(accounts), DEVICES_MAX))
            in_touch = [(account, row) for account, row in looked if _standing(row, now) is DeviceStanding.IN_TOUCH]
            lags = sorted(lag for account, row in in_touch if (lag := lag_of(account, row)) is not None)
            holes = [len(place.acked_beyond) for account, row in in_touch for place in served_positions(account, row)]
            counted = sorted(holes, reverse=True)[:HOLEY_MAX]
            parked = Counter(
                kept.rejection.parked
                for account in accounts
                for row in account.devices.values()
                for kept in row.rejections.values()
            )
            requests = [row.request for account in accounts for row in account.requests.values()]
            statuses = Counter(request.status for request in requests)
            due = [request.due_at for request in requests if _waits(request.status, request.due_at, now)]
            oldest = [made for account in accounts for made in _oldest_made(account, in_touch)]
            tombstones = sum(record.frame is None for account in accounts for record in account.records.values())
            departures = sum(len(rows) for account in accounts for rows in account.departures.values())
            return Statistics(
                devices=_count(_standing(row, now) for _, row in looked),
                lag_max=max(lags, default=0),
                lag_median=lags[(len(lags) - 1) // 2] if lags else 0,
                oldest_item_age=max(0, now - min(oldest, default=now)),
                holes_max=max(counted, default=0),
                holes_total=sum(counted),
                refused_items=min(parked[False], COUNTED_MAX),
                parked_items=min(parked[True], COUNTED_MAX),
                requests={
                    status: min(statuses[status], COUNTED_MAX) for status in RequestStatus if not status.is_final
                },
                oldest_due_age=max(0, now - min(due, default=now)),
                failing_enrollments=_failing(accounts),
                tombstones=min(tombstones, COUNTED_MAX),
                departures=min(departures, COUNTED_MAX),
            )


def _devices(accounts: Collection[AccountState]) -> Iterator[tuple[AccountState, DeviceRow]]:
    for account in accounts:
        for _, row in sorted(account.devices.items()):
            yield account, row


def _standing(row: DeviceRow, now: int) -> DeviceStanding:
    if row.device.state is DeviceState.EXPIRED:
        return DeviceStanding.EXPIRED
    return DeviceStanding.IN_TOUCH if row.device.last_contact >= now - IN_TOUCH_US else DeviceStanding.AWAY


def _count(standings: Iterator[DeviceStanding]) -> dict[DeviceStanding, int]:
    found = Counter(standings)
    return {standing: found[standing] for standing in DeviceStanding}


def served_positions(account: AccountState, row: DeviceRow) -> list[Position]:
    """The device's positions in feeds whose scope has an object type."""
    scopes = {kind.scope for kind in account.schema.object_types}
    return [place for feed, place in row.positions.items() if feed.scope in scopes]


def lag_of(account: AccountState, row: DeviceRow) -> int | None:
    """Of the feed in which the device is furthest behind; None: it reads none."""
    lags = []
    for place in served_positions(account, row):
        rows = account.feed_rows(place.feed)
        lags.append(max(0, rows[-1].revision - place.acked_through) if rows else 0)
    return max(lags, default=None)


def _oldest_made(account: AccountState, in_touch: list[tuple[AccountState, DeviceRow]]) -> Iterator[int]:
    """When the first record and the first departure of each feed was made that one of these devices has not passed."""
    starts: dict[Feed, int] = {}
    for of_account, row in in_touch:
        for place in served_positions(account, row) if of_account is account else ():
            start = max(place.acked_through, place.head_at_start)
            starts[place.feed] = min(start, starts.get(place.feed, start))
    for feed, start in starts.items():
        gone = account.departures.get(feed, {}).values()
        rows = [row for row in account.feed_rows(feed) if row.revision > start]
        for part in ([row for row in rows if row in gone], [row for row in rows if row not in gone]):
            if part:
                yield part[0].modified_at


def _waits(status: RequestStatus, due_at: int, now: int) -> bool:
    return status in (RequestStatus.READY, RequestStatus.CONNECTOR) and due_at <= now


def _failing(accounts: list[AccountState]) -> int:
    enabled = [
        (account, enrollment.enrollment_id)
        for account in accounts
        for _, enrollment in sorted(account.enrollments.items())
        if enrollment.enabled
    ]
    return sum(_has_failed(account, enrollment_id) for account, enrollment_id in enabled[:ENROLLMENTS_MAX])


def _has_failed(account: AccountState, enrollment_id: str) -> bool:
    requests = [row.request for row in account.requests.values() if row.request.enrollment_id == enrollment_id]
    requests.sort(key=lambda request: (request.created_at, request.request_id), reverse=True)
    runs = [
        request.status
        for request in requests[:NEWEST_REQUESTS]
        if request.status.is_final and request.parent_id is None and request.operation is not Operation.CHECK
    ]
    return bool(runs) and runs[0] is RequestStatus.FAILED
