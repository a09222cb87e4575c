"""Asks servers whether they are ready, by gRPC's own health service."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.cluster.ports import REQUESTS, SYNC

_ANSWER_S_MAX = 3
_SERVICES = dict.fromkeys(SYNC, "syncline.v1.SyncService") | dict.fromkeys(REQUESTS, "syncline.v1.SyncRequestService")


def health(program: str, address: str) -> str:
    """What the server says of its service: SERVING, NOT_SERVING; or why it says nothing."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=_SERVICES[program])
        try:
            answer = stub.Check(request, timeout=_ANSWER_S_MAX)
        except grpc.RpcError as error:
            return str(error.code().name)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
