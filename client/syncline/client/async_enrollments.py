"""The client of app enrollments for asyncio programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from syncline.client.connection import AsyncConnection
from syncline.client.endpoint import ConnectionOptions, ServerEndpoint
from syncline.client.request_messages import (
    connector_from,
    create_enrollment_request,
    delete_enrollment_request,
    discover_request,
    enrollment_from,
    get_enrollment_request,
    stream_from,
    update_enrollment_request,
)
from syncline.client.request_models import Connector, DiscoveredStream, Enrollment, Id, Schedule
from syncline.v1 import app_enrollment_service_pb2
from syncline.v1.app_enrollment_service_pb2_grpc import AppEnrollmentServiceStub

if TYPE_CHECKING:
    from syncline.v1.app_enrollment_service_pb2_grpc import AppEnrollmentServiceAsyncStub


class AsyncEnrollmentClient(AsyncConnection):
    """Connects systems to the account. For use inside one event loop.

    Every call raises `syncline.client.SyncError`, by one class per reason. Calls that only read are repeated by
    themselves a few times if the server cannot be reached.
    """

    def __init__(
        self,
        target: str,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        """Prepare the connection; it is made with the first call. The arguments are those of `AsyncSyncRequestClient`.

        Raises:
            InvalidOption: an argument makes no sense.
        """
        super().__init__(ServerEndpoint.at(target, **connection))
        self._made: AppEnrollmentServiceAsyncStub | None = None

    async def create(
        self,
        name: str,
        connector: str,
        *,
        settings: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        disabled: bool = False,
        schedule: Schedule | None = None,
    ) -> Enrollment:
        """Connect a system.

        Args:
            name: For people; unique in the account.
            connector: One of `connectors`.
            settings: The connector's. No secrets.
            secrets: By name. They are encrypted where they are stored, and never come back.
            disabled: No request is to run yet.
            schedule: When requests are made by themselves.

        Raises:
            NameTaken: another enrollment has the name.
            ConnectorNotFound: no such connector is installed.
            InvalidField: the connector does not take the settings, or the schedule is wrong.
        """
        request = create_enrollment_request(
            name,
            connector,
            settings=settings or {},
            secrets=secrets or {},
            disabled=disabled,
            schedule=schedule,
        )
        return enrollment_from(await self._call(self._stub().CreateAppEnrollment, request))

    async def get(self, enrollment_id: Id) -> Enrollment:
        """One enrollment, or `EnrollmentNotFound`."""
        return enrollment_from(await self._call(self._stub().GetAppEnrollment, get_enrollment_request(enrollment_id)))

    async def list(self) -> tuple[Enrollment, ...]:
        """All enrollments, by name."""
        request = app_enrollment_service_pb2.ListAppEnrollmentsRequest()
        response = await self._call(self._stub().ListAppEnrollments, request)
        return tuple(map(enrollment_from, response.app_enrollments))

    async def update(self, enrollment: Enrollment, *, secrets: Mapping[str, str] | None = None) -> Enrollment:
        """Store an enrollment that was read and changed.

        Args:
            enrollment: As it is to be; `dataclasses.replace` makes it from what was read. The connector stays.
            secrets: Those to set; an empty one is removed, and those that are not named stay.

        Raises:
            EnrollmentNotFound: it is not there.
            EnrollmentChanged: somebody changed it since it was read.
            NameTaken: another enrollment has the name.
            InvalidField: the connector does not take the settings, or the schedule is wrong.
        """
        request = update_enrollment_request(enrollment, secrets=secrets or {})
        return enrollment_from(await self._call(self._stub().UpdateAppEnrollment, request))

    async def delete(self, enrollment_id: Id) -> None:
        """Disconnect a system. Its requests and the records that it brought stay.

        Raises:
            EnrollmentNotFound: it is not there.
            EnrollmentBusy: a request of it has not ended.
        """
        await self._call(self._stub().DeleteAppEnrollment, delete_enrollment_request(enrollment_id))

    async def discover(self, enrollment_id: Id) -> tuple[DiscoveredStream, ...]:
        """Have the server connect to the system, and find out what it has. Changes nothing.

        Raises:
            EnrollmentNotFound: it is not there.
            ConnectorFailed: the system is not there, or not as it must be, or takes more than a minute.
            ConnectorNotFound: its connector is not installed.
            InvalidField: its connector is `external`, which has no code on the server.
        """
        response = await self._call(self._stub().DiscoverStreams, discover_request(enrollment_id))
        return tuple(map(stream_from, response.streams))

    async def connectors(self) -> tuple[Connector, ...]:
        """The connectors that are installed on the server, by name."""
        request = app_enrollment_service_pb2.ListConnectorsRequest()
        response = await self._call(self._stub().ListConnectors, request)
        return tuple(map(connector_from, response.connectors))

    def _stub(self) -> AppEnrollmentServiceAsyncStub:
        channel = self._open_channel()
        if self._made is None:
            self._made = AppEnrollmentServiceStub(channel)
        return self._made
