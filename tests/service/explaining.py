"""DiagnosticsService as the wire sees it: the generated stub, and what its answers name."""

from __future__ import annotations

from uuid import UUID

import grpc

from syncline.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc

Explained = diagnostics_service_pb2.ExplainDeliveryResponse


async def explain(
    channel: grpc.aio.Channel, device_uuid: UUID | str, key: str = "n0", object_type: str = "note"
) -> Explained:
    """ExplainDelivery."""
    stub: diagnostics_service_pb2_grpc.DiagnosticsServiceAsyncStub = (
        diagnostics_service_pb2_grpc.DiagnosticsServiceStub(channel)
    )
    return await stub.ExplainDelivery(
        diagnostics_service_pb2.ExplainDeliveryRequest(object_type=object_type, key=key, device_uuid=str(device_uuid))
    )


def step(explained: Explained) -> str:
    """The step by name."""
    return _name(explained.step)


def delete_step(explained: Explained) -> str:
    """Where the delete stands, by name."""
    return _name(explained.delete_step)


def _name(number: diagnostics_service_pb2.DeliveryStep.ValueType) -> str:
    return diagnostics_service_pb2.DeliveryStep.Name(number).removeprefix("DELIVERY_STEP_")
