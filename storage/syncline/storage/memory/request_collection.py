"""Collection of payloads and requests that have ended, in the model."""

from __future__ import annotations

from dataclasses import replace

from syncline.storage.memory.state import AccountState, MemoryState, RequestRow
from syncline.storage.request_models import PayloadState
from syncline.storage.request_moves import may_ask_for_others
from syncline.storage.request_states import RequestStatus


class MemoryRequestCollection(MemoryState):
    """`CollectionStore.collect_payloads` and `CollectionStore.collect_requests`."""

    def collect_payloads(self, account_id: str, *, ended_before: int, limit: int) -> int:
        """See `CollectionStore.collect_payloads`."""
        with self._transaction(account_id) as account:
            left = limit
            for row in _by_end(account):
                if left and _needs_no_payload(row, ended_before):
                    left -= _drop_chunks(row, left)
            return limit - left

    def collect_requests(self, account_id: str, *, ended_before: int, limit: int) -> int:
        """See `CollectionStore.collect_requests`."""
        with self._transaction(account_id) as account:
            asked = [row.request.created_at for row in account.requests.values() if may_ask_for_others(row.request)]
            ended_before = min([ended_before, *asked])
            left = limit
            for row in [row for row in _by_end(account) if _is_over(account, row, ended_before)]:
                if not left:
                    break
                kept = len(row.details) - left
                left -= min(left, len(row.details))
                del row.details[max(kept, 0) :]
                if left:
                    del account.requests[row.request.request_id]
                    left -= 1
            return limit - left


def _by_end(account: AccountState) -> list[RequestRow]:
    """The requests that have ended, those that ended first in front."""
    ended = [row for row in account.requests.values() if row.request.status.is_final]
    return sorted(ended, key=lambda row: (row.request.modified_at, row.request.request_id))


def _needs_no_payload(row: RequestRow, ended_before: int) -> bool:
    request = row.request
    if request.payload_state not in {PayloadState.KEPT, PayloadState.GOING}:
        return False
    return request.status is RequestStatus.SUCCESS or request.modified_at < ended_before


def _drop_chunks(row: RequestRow, limit: int) -> int:
    """Remove up to `limit` chunks; how many were there?"""
    assert row.new is not None  # noqa: S101 - a parent has no payload
    dropped = min(limit, len(row.new.payload))
    row.new = replace(row.new, payload=row.new.payload[dropped:])
    state = PayloadState.GOING if dropped == limit else PayloadState.GONE
    row.request = replace(row.request, payload_state=state)
    return dropped


def _is_over(account: AccountState, row: RequestRow, ended_before: int) -> bool:
    """Does nobody need the request any more?"""
    request = row.request
    if request.modified_at >= ended_before or request.payload_state in {PayloadState.KEPT, PayloadState.GOING}:
        return False
    if request.parent_id is not None:
        parent = account.requests[request.parent_id].request
        return parent.status.is_final and parent.modified_at < ended_before
    return not (request.is_parent and account.batches(request.request_id))
