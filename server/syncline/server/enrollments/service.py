"""AppEnrollmentService: convert, call, convert."""

from __future__ import annotations

from collections.abc import Sequence

from syncline.server.acts import act_of_caller
from syncline.server.convert_schema import object_type_message
from syncline.server.convert_time import timestamp
from syncline.server.enrollments import requests
from syncline.server.enrollments.changing import create_enrollment, update_enrollment
from syncline.server.enrollments.discovering import Discoveries
from syncline.server.enrollments.schedules import schedule_message
from syncline.server.enrollments.secrets import secret_names
from syncline.server.environment import Environment
from syncline.server.interceptors.context import CallContext
from syncline.server.requests.connectors.contract import DiscoveredStream
from syncline.server.requests.connectors.registry import ConnectorInfo
from syncline.server.requests.convert import request_message
from syncline.storage.request_models import Enrollment, LastRuns, SyncRequest
from syncline.v1 import app_enrollment_service_pb2, app_enrollment_service_pb2_grpc, sync_request_pb2


class AppEnrollmentServicer(app_enrollment_service_pb2_grpc.AppEnrollmentServiceServicer):
    """Keeps the connected systems of the account."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._discoveries = Discoveries(env)

    async def CreateAppEnrollment(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.CreateAppEnrollmentRequest, context: CallContext
    ) -> app_enrollment_service_pb2.AppEnrollment:
        """See the contract."""
        del context
        return await self._told(await create_enrollment(self._env, requests.new_enrollment(request)))

    async def GetAppEnrollment(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.GetAppEnrollmentRequest, context: CallContext
    ) -> app_enrollment_service_pb2.AppEnrollment:
        """See the contract."""
        del context
        env, enrollment_id = self._env, requests.enrollment_id_of(request)
        return await self._told(await env.threads.run(env.store.get_enrollment, env.account_id, enrollment_id))

    async def ListAppEnrollments(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.ListAppEnrollmentsRequest, context: CallContext
    ) -> app_enrollment_service_pb2.ListAppEnrollmentsResponse:
        """See the contract."""
        del request, context
        found = await self._env.threads.run(self._env.store.list_enrollments, self._env.account_id)
        return app_enrollment_service_pb2.ListAppEnrollmentsResponse(app_enrollments=await self._all_told(found))

    async def UpdateAppEnrollment(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.UpdateAppEnrollmentRequest, context: CallContext
    ) -> app_enrollment_service_pb2.AppEnrollment:
        """See the contract."""
        del context
        return await self._told(await update_enrollment(self._env, requests.changed_enrollment(request)))

    async def DeleteAppEnrollment(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.DeleteAppEnrollmentRequest, context: CallContext
    ) -> app_enrollment_service_pb2.DeleteAppEnrollmentResponse:
        """See the contract."""
        del context
        env, enrollment_id = self._env, requests.enrollment_id_of(request)
        act = act_of_caller("enrollment.delete", enrollment_id)
        await env.threads.run(env.store.remove_enrollment, env.account_id, enrollment_id, act=act)
        return app_enrollment_service_pb2.DeleteAppEnrollmentResponse()

    async def DiscoverStreams(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.DiscoverStreamsRequest, context: CallContext
    ) -> app_enrollment_service_pb2.DiscoverStreamsResponse:
        """See the contract."""
        found = await self._discoveries.run(requests.enrollment_id_of(request), context.time_remaining())
        return app_enrollment_service_pb2.DiscoverStreamsResponse(streams=map(_stream, found))

    async def ListConnectors(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.ListConnectorsRequest, context: CallContext
    ) -> app_enrollment_service_pb2.ListConnectorsResponse:
        """See the contract."""
        del request, context
        return app_enrollment_service_pb2.ListConnectorsResponse(
            connectors=map(_connector, self._env.connectors.infos())
        )

    async def _told(self, enrollment: Enrollment) -> app_enrollment_service_pb2.AppEnrollment:
        (told,) = await self._all_told([enrollment])
        return told

    async def _all_told(self, enrollments: Sequence[Enrollment]) -> list[app_enrollment_service_pb2.AppEnrollment]:
        env = self._env
        ids = [enrollment.enrollment_id for enrollment in enrollments]
        runs = await env.threads.run(env.store.last_runs, env.account_id, ids)
        return [_message(each, runs[each.enrollment_id], env.account_id) for each in enrollments]


def _message(enrollment: Enrollment, runs: LastRuns, account_id: str) -> app_enrollment_service_pb2.AppEnrollment:
    """The enrollment, with the names of its secrets only."""
    return app_enrollment_service_pb2.AppEnrollment(
        app_enrollment_id=enrollment.enrollment_id,
        name=enrollment.name,
        connector=enrollment.connector,
        settings=enrollment.settings,
        disabled=not enrollment.enabled,
        create_time=timestamp(enrollment.created_at),
        modify_time=timestamp(enrollment.modified_at),
        modified_by=enrollment.modified_by,
        secret_names=secret_names(enrollment.sealed_secrets),
        schedule=None if enrollment.schedule is None else schedule_message(enrollment.schedule),
        next_run_time=timestamp(enrollment.next_run_at) if enrollment.next_run_at else None,
        last_sync_request=_run(runs.last, account_id),
        last_successful_sync_request=_run(runs.last_successful, account_id),
    )


def _stream(stream: DiscoveredStream) -> app_enrollment_service_pb2.DiscoveredStream:
    kind = stream.object_type
    return app_enrollment_service_pb2.DiscoveredStream(
        name=stream.name,
        object_type=None if kind is None else object_type_message(kind),
        selected=stream.selected,
        rows=stream.rows,
        note=stream.note,
    )


def _run(request: SyncRequest | None, account_id: str) -> sync_request_pb2.SyncRequest | None:
    return None if request is None else request_message(request, account_id)


def _connector(info: ConnectorInfo) -> app_enrollment_service_pb2.Connector:
    return app_enrollment_service_pb2.Connector(
        name=info.name,
        description=info.description,
        operations=sorted(operation.value for operation in info.operations),
    )
