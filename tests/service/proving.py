"""How a server answers who proves himself, or tries to."""

from __future__ import annotations

import grpc
import pytest

from syncline.v1 import sync_service_pb2
from tests.harness.wire import WireDevice, error_of

MISSING = "the bearer token is missing"
NOT_VALID = "the bearer token is not valid"
EXPIRED = "the bearer token has expired"


async def answer(device: WireDevice, *authorization: str) -> str:
    """How a call with these values of `authorization` ends: the text of its error; empty: well."""
    metadata = [*device.metadata, *(("authorization", value) for value in authorization)]
    call = device.stub.StartSession(sync_service_pb2.StartSessionRequest(), metadata=metadata)
    if await call.code() is grpc.StatusCode.OK:
        return ""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    if refused.value.code() is not grpc.StatusCode.UNAUTHENTICATED:
        raise refused.value
    assert error_of(refused.value)[1] == "UNAUTHENTICATED"
    parts = [part for value in authorization for part in value.split(".") if len(part) > 9]
    assert not any(part in str(refused.value) for part in parts)
    return str(refused.value.details())
