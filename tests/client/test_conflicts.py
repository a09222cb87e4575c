"""The conflict log page by page, and the raw call of Reconcile."""

from __future__ import annotations

from uuid import uuid4

import pytest

from syncline.client import AsyncSyncClient, InvalidOption, SyncClient
from syncline.v1 import upload_pb2
from tests.client.scripted import ScriptedService


def pages(*numbers: list[int]) -> list[upload_pb2.ListConflictsResponse]:
    """Pages of conflicts with these ids."""
    made = [
        upload_pb2.ListConflictsResponse(conflicts=[upload_pb2.Conflict(conflict_id=number) for number in page])
        for page in numbers
    ]
    for number, page in enumerate(made[:-1]):
        page.next_page_token = f"after {number}"
    return made


async def test_conflicts_come_page_by_page(service: ScriptedService, scripted: str) -> None:
    service.conflict_pages.extend(pages([9, 8], [7, 6], []) * 2)
    with SyncClient(scripted, uuid4()) as client:
        listed = client.list_conflicts(all_devices=True, object_type="note", key="a", page_size=2)
        assert [conflict.conflict_id for conflict in listed] == [9, 8, 7, 6]
    async with AsyncSyncClient(scripted, uuid4()) as asynchronous:
        again = asynchronous.list_conflicts(all_devices=True, object_type="note", key="a", page_size=2)
        assert [conflict.conflict_id async for conflict in again] == [9, 8, 7, 6]
    asked = upload_pb2.ListConflictsRequest(all_devices=True, object_type="note", key="a", page_size=2)
    expected = []
    for token in ("", "after 0", "after 1"):
        asked.page_token = token
        expected.append(upload_pb2.ListConflictsRequest.FromString(asked.SerializeToString()))
    assert service.conflict_requests == expected * 2


async def test_a_page_that_nobody_reads_is_not_fetched(service: ScriptedService, scripted: str) -> None:
    service.conflict_pages.extend(pages([9], [8]))
    with SyncClient(scripted, uuid4()) as client:
        assert next(client.list_conflicts()).conflict_id == 9
    assert len(service.conflict_requests) == 1


def test_what_no_request_can_hold_is_told_at_once() -> None:
    with SyncClient("127.0.0.1:1", uuid4()) as client, pytest.raises(InvalidOption):
        client.list_conflicts(page_size=2**40)


async def test_reconcile_hands_over_what_it_is_given(service: ScriptedService, scripted: str) -> None:
    request = upload_pb2.ReconcileRequest(object_type="note", ranges=[upload_pb2.KeyRange(), upload_pb2.KeyRange()])
    with SyncClient(scripted, uuid4()) as client:
        blocking = client.reconcile(request)
    async with AsyncSyncClient(scripted, uuid4()) as asynchronous:
        assert await asynchronous.reconcile(request) == blocking
    assert [answer.equal for answer in blocking.ranges] == [True, True]
    assert service.reconcile_requests == [request, request]
