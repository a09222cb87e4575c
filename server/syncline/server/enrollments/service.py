"""AppEnrollmentService: convert, call, convert."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from syncline.server.enrollments import requests
from syncline.server.enrollments.changing import create_enrollment, update_enrollment
from syncline.server.enrollments.secrets import secret_names
from syncline.server.environment import Environment
from syncline.server.interceptors.context import CallContext
from syncline.server.requests.connectors.registry import ConnectorInfo
from syncline.storage.request_models import Enrollment
from syncline.v1 import app_enrollment_service_pb2, app_enrollment_service_pb2_grpc


class AppEnrollmentServicer(app_enrollment_service_pb2_grpc.AppEnrollmentServiceServicer):
    """Keeps the connected systems of the account."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def CreateAppEnrollment(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.CreateAppEnrollmentRequest, context: CallContext
    ) -> app_enrollment_service_pb2.AppEnrollment:
        """See the contract."""
        del context
        return _message(await create_enrollment(self._env, requests.new_enrollment(request)))

    async def GetAppEnrollment(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.GetAppEnrollmentRequest, context: CallContext
    ) -> app_enrollment_service_pb2.AppEnrollment:
        """See the contract."""
        del context
        env, enrollment_id = self._env, requests.enrollment_id_of(request)
        return _message(await env.threads.run(env.store.get_enrollment, env.account_id, enrollment_id))

    async def ListAppEnrollments(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.ListAppEnrollmentsRequest, context: CallContext
    ) -> app_enrollment_service_pb2.ListAppEnrollmentsResponse:
        """See the contract."""
        del request, context
        found = await self._env.threads.run(self._env.store.list_enrollments, self._env.account_id)
        return app_enrollment_service_pb2.ListAppEnrollmentsResponse(app_enrollments=map(_message, found))

    async def UpdateAppEnrollment(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.UpdateAppEnrollmentRequest, context: CallContext
    ) -> app_enrollment_service_pb2.AppEnrollment:
        """See the contract."""
        del context
        return _message(await update_enrollment(self._env, requests.changed_enrollment(request)))

    async def DeleteAppEnrollment(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.DeleteAppEnrollmentRequest, context: CallContext
    ) -> app_enrollment_service_pb2.DeleteAppEnrollmentResponse:
        """See the contract."""
        del context
        env, enrollment_id = self._env, requests.enrollment_id_of(request)
        await env.threads.run(env.store.remove_enrollment, env.account_id, enrollment_id)
        return app_enrollment_service_pb2.DeleteAppEnrollmentResponse()

    async def ListConnectors(  # noqa: N802  the contract's name
        self, request: app_enrollment_service_pb2.ListConnectorsRequest, context: CallContext
    ) -> app_enrollment_service_pb2.ListConnectorsResponse:
        """See the contract."""
        del request, context
        return app_enrollment_service_pb2.ListConnectorsResponse(
            connectors=map(_connector, self._env.connectors.infos())
        )


def _message(enrollment: Enrollment) -> app_enrollment_service_pb2.AppEnrollment:
    """The enrollment, with the names of its secrets only."""
    create_time, modify_time = Timestamp(), Timestamp()
    create_time.FromMicroseconds(enrollment.created_at)
    modify_time.FromMicroseconds(enrollment.modified_at)
    return app_enrollment_service_pb2.AppEnrollment(
        app_enrollment_id=enrollment.enrollment_id,
        name=enrollment.name,
        connector=enrollment.connector,
        settings=enrollment.settings,
        disabled=not enrollment.enabled,
        create_time=create_time,
        modify_time=modify_time,
        modified_by=enrollment.modified_by,
        secret_names=secret_names(enrollment.sealed_secrets),
    )


def _connector(info: ConnectorInfo) -> app_enrollment_service_pb2.Connector:
    return app_enrollment_service_pb2.Connector(
        name=info.name,
        description=info.description,
        operations=sorted(operation.value for operation in info.operations),
    )
