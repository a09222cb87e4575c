"""Both clients of diagnostics against a server; and what they make of answers of newer ones."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from syncline.client import DeliveryStep, InvalidField, InvalidOption, SyncRequestStatus
from syncline.client.delivery import delivery_from
from syncline.v1 import diagnostics_service_pb2, sync_request_pb2
from tests.client.calling import Call, call_asyncio, call_blocking
from tests.replica.serving import ServedStore, served_store, write_notes


@pytest.fixture(scope="module")
def server() -> Iterator[ServedStore]:
    with served_store() as server:
        write_notes(server.store, {"a": "one"})
        yield server


@pytest.mark.parametrize("call", [call_blocking, call_asyncio], ids=["blocking", "asyncio"])
async def test_a_delivery_is_explained(call: Call, server: ServedStore) -> None:
    device_uuid = uuid4()
    unknown = await call(server.address, "diagnostics", "explain_delivery", "note", "a", device_uuid)
    assert (unknown.step, unknown.last_contact_at, unknown.since) == (DeliveryStep.NO_SUCH_DEVICE, None, None)
    server.store.register_device("dev", device_uuid, now=1)

    found = await call(server.address, "diagnostics", "explain_delivery", "note", "a", str(device_uuid))

    assert (found.step, found.delete_step, found.scope) == (DeliveryStep.NEWER_THAN_POSITION, None, "main")
    assert (found.revision, found.acknowledged, found.sync_request_status) == (1, False, None)
    assert found.since == found.last_contact_at < found.read_at
    assert found.facts
    with pytest.raises(InvalidField):
        await call(server.address, "diagnostics", "explain_delivery", "note", "a", "nobody")
    with pytest.raises(InvalidOption):
        await call(server.address, "diagnostics", "explain_delivery", "note", "\ud800", device_uuid)


def test_every_step_of_the_contract_has_its_own_here() -> None:
    numbers = diagnostics_service_pb2.DeliveryStep.values()
    steps = [delivery_from(diagnostics_service_pb2.ExplainDeliveryResponse(step=number)).step for number in numbers]
    assert steps[0] is DeliveryStep.UNKNOWN
    assert set(steps) == set(DeliveryStep)
    assert len(steps) == len(DeliveryStep)


def test_what_a_newer_server_says_reads_as_unknown() -> None:
    message = diagnostics_service_pb2.ExplainDeliveryResponse(sync_request_id="r")
    message.MergeFromString(b"\x08\x7f\x20\x7f")  # step and delete_step 127
    read = delivery_from(message)
    assert (read.step, read.delete_step) == (DeliveryStep.UNKNOWN, DeliveryStep.UNKNOWN)
    assert read.sync_request_status is SyncRequestStatus.UNKNOWN
    message.sync_request_status = sync_request_pb2.SYNC_REQUEST_STATUS_FAILED
    assert delivery_from(message).sync_request_status is SyncRequestStatus.FAILED
