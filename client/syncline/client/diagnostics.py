"""The client of diagnostics, for ordinary and for asyncio programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack
from uuid import UUID

from syncline.client.connection import AsyncConnection, Connection
from syncline.client.delivery import Delivery, delivery_from, explain_delivery_request
from syncline.client.endpoint import ConnectionOptions, ServerEndpoint
from syncline.v1.diagnostics_service_pb2_grpc import DiagnosticsServiceStub

if TYPE_CHECKING:
    from syncline.v1.diagnostics_service_pb2_grpc import DiagnosticsServiceAsyncStub


class DiagnosticsClient(Connection):
    """Asks a server why something is as it is; nothing is changed. Threads may share it.

    Every call raises `syncline.client.SyncError`, by one class per reason, and is repeated by itself a few times if the
    server cannot be reached.
    """

    def __init__(
        self,
        target: str,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        """Prepare the connection; it is made with the first call. The arguments are those of `SyncRequestClient`.

        Raises:
            InvalidOption: an argument makes no sense.
        """
        super().__init__(ServerEndpoint.at(target, **connection))
        self._stub = DiagnosticsServiceStub(self._channel)

    def explain_delivery(self, object_type: str, key: str, device_uuid: UUID | str) -> Delivery:
        """Whether the device has the record as it stands now, and if not, at which step it stands and since when.

        A type, record or device that is not there is an answer, too.

        Raises:
            InvalidField: the UUID is none, or a name is too long.
        """
        return delivery_from(
            self._call(self._stub.ExplainDelivery, explain_delivery_request(object_type, key, device_uuid))
        )


class AsyncDiagnosticsClient(AsyncConnection):
    """`DiagnosticsClient` for use inside one event loop."""

    def __init__(
        self,
        target: str,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        """See `DiagnosticsClient`."""
        super().__init__(ServerEndpoint.at(target, **connection))

    async def explain_delivery(self, object_type: str, key: str, device_uuid: UUID | str) -> Delivery:
        """See `DiagnosticsClient.explain_delivery`."""
        stub: DiagnosticsServiceAsyncStub = DiagnosticsServiceStub(self._open_channel())
        return delivery_from(
            await self._call(stub.ExplainDelivery, explain_delivery_request(object_type, key, device_uuid))
        )
