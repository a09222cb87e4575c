"""Health: which services serve. Anyone may ask, so nothing of it waits for whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN: Final = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HealthServicer(health.aio.HealthServicer):
    """gRPC's health service.

    The one that comes with gRPC holds a lock while it writes to a watcher: one that does not read would keep a server
    from draining. It also leaves List to a fault in the log.
    """

    def __init__(self) -> None:
        super().__init__()
        self._status: dict[str, int] = {"": _SERVING}
        self._changed = asyncio.Event()
        self._draining = False

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:  # noqa: N802  gRPC's name
        """Whether a service serves; NOT_FOUND if there is none of the name."""
        status = self._status.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service")
        return health_pb2.HealthCheckResponse(status=status)

    async def List(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802  gRPC's name
        """All services, and whether they serve."""
        answers = {service: health_pb2.HealthCheckResponse(status=status) for service, status in self._status.items()}
        return health_pb2.HealthListResponse(statuses=answers)  # type: ignore[attr-defined]  # newer than the stubs

    async def Watch(  # type: ignore[override]  # noqa: N802  gRPC's name; its own writes to the context
        self,
        request: health_pb2.HealthCheckRequest,
        context: Any,  # noqa: ARG002  nothing of it is needed
    ) -> AsyncGenerator[Any, None]:
        """Whether a service serves, now and whenever that changes. There may be one of the name later."""
        last = None
        while True:
            changed = self._changed
            status = self._status.get(request.service, _UNKNOWN)
            if status != last:
                last = status
                yield health_pb2.HealthCheckResponse(status=status)
            await changed.wait()

    async def set(self, service: str, status: Any) -> None:
        """Say whether a service serves. Once the server drains none does, whatever is said."""
        if not self._draining and self._status.get(service) != status:
            self._status[service] = status
            self._tell()

    async def enter_graceful_shutdown(self) -> None:
        """No service serves any more."""
        self._draining = True
        self._status = dict.fromkeys(self._status, _NOT_SERVING)
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
