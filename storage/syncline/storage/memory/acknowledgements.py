"""Acknowledgements and refusals in the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from syncline.storage.audit_models import Act
from syncline.storage.device_access import check_access
from syncline.storage.errors import LimitReached, ResyncRequired
from syncline.storage.identity import item_digest
from syncline.storage.limits import GAPS_MAX, REJECTIONS_MAX, check_act, check_texts
from syncline.storage.memory.rejections import granted_rows, keep_refusal, list_rejections
from syncline.storage.memory.state import AccountState, DeviceRow, ItemName, MemoryState, RejectionRow
from syncline.storage.models import (
    AckInterval,
    AckOutcome,
    AckRedelivered,
    DeviceState,
    Feed,
    Interval,
    Position,
    Refusal,
    Rejection,
)
from syncline.storage.positions import add_interval, close_gaps


class MemoryAcknowledgements(MemoryState):
    """`AcknowledgementStore`."""

    def acknowledge(
        self,
        account_id: str,
        device_uuid: UUID,
        intervals: Sequence[AckInterval],
        redelivered: Sequence[AckRedelivered],
        refusals: Sequence[Refusal],
        *,
        now: int,
    ) -> AckOutcome:
        """See `AcknowledgementStore.acknowledge`."""
        for refusal in refusals:
            check_texts("rejections", (refusal.object_type, refusal.key, refusal.reason))
        with self._transaction(account_id) as account:
            device = account.device(device_uuid)
            check_access(account_id, device.device, account.head)
            if device.device.state is DeviceState.EXPIRED:
                raise ResyncRequired((), "the device was not seen for too long")
            call = _Call(account, device, self._max_rejections)
            refused = [call.refuse(refusal) for refusal in refusals]
            taken = [call.take(interval) for interval in intervals]
            ended = [call.end_redelivered(one) for one in redelivered]
            call.close()
            device.positions, device.rejections = call.positions, call.rejections
            device.note_contact(now)
            return AckOutcome(
                taken=tuple(taken),
                redelivered_taken=tuple(ended),
                refusals_taken=tuple(refused),
                rejections=call.refused_now(),
            )

    def list_positions(self, account_id: str, device_uuid: UUID) -> list[Position]:
        """See `AcknowledgementStore.list_positions`."""
        with self._transaction(account_id) as account:
            positions = account.device(device_uuid).positions
            return [positions[feed] for feed in sorted(positions)]

    def list_rejections(self, account_id: str, device_uuid: UUID) -> list[Rejection]:
        """See `AcknowledgementStore.list_rejections`."""
        with self._transaction(account_id) as account:
            return list(list_rejections(account.device(device_uuid).rejections))

    def put_back(
        self, account_id: str, device_uuid: UUID, items: Sequence[tuple[str, str]], *, act: Act | None = None
    ) -> int:
        """See `AcknowledgementStore.put_back`."""
        check_act(act)
        for item in items:
            check_texts("items", item)
        with self._transaction(account_id) as account:
            rejections = account.device(device_uuid).rejections
            parked = [item for item in set(items) if item in rejections and rejections[item].rejection.parked]
            for item in parked:
                row = rejections[item]
                waiting = replace(row.rejection, count=0, parked=False)
                rejections[item] = RejectionRow(waiting, row.feed, session_id="")
            account.note_act(act)
            return len(parked)


class _Call:
    """One call's changes, kept aside until all of it is known to be taken."""

    def __init__(self, account: AccountState, device: DeviceRow, max_rejections: int) -> None:
        self._account = account
        self._device = device
        self._max_rejections = max_rejections
        self.positions = dict(device.positions)
        self.rejections = dict(device.rejections)
        self.refused: set[ItemName] = set()
        self._passed: list[tuple[Feed, int]] = []

    def refuse(self, refusal: Refusal) -> bool:
        """Keep the rejection, and count the item as passed."""
        item = (refusal.object_type, refusal.key)
        seen = granted_rows(self._account, self._device, item)
        kept = keep_refusal(
            self.rejections.get(item),
            refusal,
            seen,
            session_id=self._device.device.session_id,
            limit=self._max_rejections,
        )
        if kept is None:
            return False
        self.rejections[item] = kept
        self.refused.add(item)
        self._passed.extend((feed, row.revision) for feed, row in seen if row.revision == refusal.revision)
        return True

    def take(self, interval: AckInterval) -> bool:
        """Acknowledge the interval; end rejections of items that it shows in a later state."""
        feed = next((feed for feed, position in self.positions.items() if position.epoch == interval.epoch), None)
        if feed is None:
            return False
        for item, row in list(self.rejections.items()):
            refused_at = max(row.rejection.revision, interval.above)
            for _, later in self._account.rows_of(item, {feed}):
                if refused_at < later.revision <= interval.through:
                    del self.rejections[item]
        before = self.positions[feed]
        covered = Interval(interval.above, interval.through)
        self.positions[feed] = add_interval(before, covered, head=self._account.head.revision)
        return self.positions[feed] != before

    def end_redelivered(self, acknowledged: AckRedelivered) -> bool:
        """End the rejection of an item that was sent again and stored."""
        for item, row in self.rejections.items():
            if item_digest(*item) == acknowledged.digest and row.rejection.revision <= acknowledged.revision:
                if item in self.refused:
                    return False
                del self.rejections[item]
                return True
        return False

    def refused_now(self) -> tuple[Rejection, ...]:
        """How the items that this call refused stand at its end."""
        return list_rejections({item: row for item, row in self.rejections.items() if item in self.refused})

    def close(self) -> None:
        """Pass refused items and gaps that hold nothing, and hold the result to the limits."""
        for feed, revision in self._passed:
            if feed in self.positions:
                passed = Interval(revision - 1, revision)
                self.positions[feed] = add_interval(self.positions[feed], passed, head=self._account.head.revision)
        for feed, position in self.positions.items():
            revisions = [row.revision for row in self._account.feed_rows(feed)]

            def has_row(above: int, through: int, revisions: list[int] = revisions) -> bool:
                return any(above < revision <= through for revision in revisions)

            self.positions[feed] = close_gaps(position, has_row)
            if len(self.positions[feed].acked_beyond) > GAPS_MAX:
                raise LimitReached("gaps between acknowledged items of a feed", GAPS_MAX)
        if len(self.rejections) > REJECTIONS_MAX:
            raise LimitReached("rejected items of the device", REJECTIONS_MAX)
