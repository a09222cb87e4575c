"""One server: its parts put together, started, drained and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from syncline.server.address import Address
from syncline.server.admission.caller_limits import CallerLimits
from syncline.server.admission.first_syncs import FirstSyncs
from syncline.server.admission.stored_limits import StoredLimits
from syncline.server.background import DatabaseWatch, HeadWatch, look_for_token_keys, repeat, sweep, sweep_requests
from syncline.server.config import Services, Settings
from syncline.server.diagnostics.service import DiagnosticsServicer
from syncline.server.drain import Drain
from syncline.server.enrollments.secrets import secret_box
from syncline.server.enrollments.service import AppEnrollmentServicer
from syncline.server.environment import Environment
from syncline.server.health import HealthServicer
from syncline.server.identity.authenticator import TOKEN_CHARS_MAX, Authenticator
from syncline.server.identity.credentials import Credentials
from syncline.server.interceptors.admission import AdmissionInterceptor
from syncline.server.interceptors.deadline import DeadlineInterceptor
from syncline.server.interceptors.errors import ErrorInterceptor
from syncline.server.interceptors.identity import IdentityInterceptor
from syncline.server.interceptors.load import LoadInterceptor
from syncline.server.interceptors.measuring import MeasuringInterceptor
from syncline.server.interceptors.readers import ReaderInterceptor
from syncline.server.interceptors.tracing import TracingInterceptor
from syncline.server.limits import MESSAGE_BYTES_MAX
from syncline.server.managing.service import DeviceServicer
from syncline.server.notify import open_notifier
from syncline.server.requests.connectors.registry import load_connectors
from syncline.server.requests.embedded import EmbeddedWorker
from syncline.server.requests.service import SyncRequestServicer
from syncline.server.resolvers import load_resolvers
from syncline.server.schema.service import SchemaServicer
from syncline.server.store_threads import StoreThreads
from syncline.server.sync.service import SyncServicer
from syncline.server.telemetry.instruments import metrics_are_on
from syncline.server.telemetry.statistics import look_at_statistics
from syncline.server.token_keys import LOOK_SECONDS, TokenKeys
from syncline.server.transport.ports import open_port
from syncline.storage import Store
from syncline.v1 import (
    app_enrollment_service_pb2,
    app_enrollment_service_pb2_grpc,
    device_service_pb2,
    device_service_pb2_grpc,
    diagnostics_service_pb2,
    diagnostics_service_pb2_grpc,
    schema_service_pb2,
    schema_service_pb2_grpc,
    sync_request_service_pb2,
    sync_request_service_pb2_grpc,
    sync_service_pb2,
    sync_service_pb2_grpc,
)

_log = structlog.get_logger(__name__)

_HEALTH_SECONDS = 2
"""How often the database is asked whether it is there."""

_OF_DEVICES = (
    sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"].full_name,
    schema_service_pb2.DESCRIPTOR.services_by_name["SchemaService"].full_name,
    device_service_pb2.DESCRIPTOR.services_by_name["DeviceService"].full_name,
)
_OF_REQUESTS = (
    sync_request_service_pb2.DESCRIPTOR.services_by_name["SyncRequestService"].full_name,
    app_enrollment_service_pb2.DESCRIPTOR.services_by_name["AppEnrollmentService"].full_name,
)
_OF_ALL = (diagnostics_service_pb2.DESCRIPTOR.services_by_name["DiagnosticsService"].full_name,)
_SERVICES = {
    Services.ALL: (*_OF_DEVICES, *_OF_REQUESTS, *_OF_ALL),
    Services.SYNC: (*_OF_DEVICES, *_OF_ALL),
    Services.SYNC_REQUEST: (*_OF_REQUESTS, *_OF_ALL),
}
"""The names of what is served. Operators may ask any server."""


class App:
    """A server on one address, over one store. Make and use it inside a running event loop.

    The store stays the caller's: it is not closed here.

    Raises:
        SettingsInvalid: a resolver or a connector that is installed cannot be loaded, the secret key is none, or
            settings of credentials do not go together.
    """

    def __init__(self, settings: Settings, store: Store, authenticator: Authenticator | None = None) -> None:
        self._env = Environment(
            settings=settings,
            store=store,
            threads=StoreThreads(settings.threads),
            notifier=open_notifier(settings.database_url),
            drain=Drain(),
            resolvers=load_resolvers(),
            connectors=load_connectors(),
            secrets=secret_box(settings),
            token_keys=TokenKeys(),
            first_syncs=FirstSyncs(settings.first_syncs_max, settings.first_sync_wait_seconds),
            stored_limits=StoredLimits(settings, store),
        )
        self._credentials = Credentials(settings, store)
        self._services = _SERVICES[settings.services]
        self._server = grpc.aio.server(
            interceptors=[
                TracingInterceptor(),
                *((MeasuringInterceptor(),) if metrics_are_on() else ()),
                ErrorInterceptor(),
                DeadlineInterceptor(settings.deadline_seconds_max),
                LoadInterceptor(calls_max=settings.calls_max, streams_max=settings.streams_max),
                IdentityInterceptor(
                    authenticator or self._credentials.authenticator, recheck_seconds=self._credentials.recheck_seconds
                ),
                AdmissionInterceptor(CallerLimits(settings)),
                ReaderInterceptor(settings.ack_overdue_seconds),
            ],
            options=channel_options(settings),
        )
        if settings.services is not Services.SYNC_REQUEST:
            sync_service_pb2_grpc.add_SyncServiceServicer_to_server(SyncServicer(self._env), self._server)
            schema_service_pb2_grpc.add_SchemaServiceServicer_to_server(SchemaServicer(self._env), self._server)
            device_service_pb2_grpc.add_DeviceServiceServicer_to_server(DeviceServicer(self._env), self._server)
        self._worker: EmbeddedWorker | None = None
        if settings.services is not Services.SYNC:
            sync_request_service_pb2_grpc.add_SyncRequestServiceServicer_to_server(
                SyncRequestServicer(self._env), self._server
            )
            app_enrollment_service_pb2_grpc.add_AppEnrollmentServiceServicer_to_server(
                AppEnrollmentServicer(self._env), self._server
            )
            if settings.embedded_worker:
                self._worker = EmbeddedWorker(self._env)
        diagnostics_service_pb2_grpc.add_DiagnosticsServiceServicer_to_server(
            DiagnosticsServicer(self._env), self._server
        )
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if settings.reflection:
            names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def environment(self) -> Environment:
        """The server's parts; its notifier wakes live streams after a write to the store."""
        return self._env

    async def start(self, address: Address) -> Address:
        """Serve on the address; answer it with the port that was bound.

        Raises:
            SettingsInvalid: the address cannot be bound, or may not without TLS; or the TLS files cannot be used.
        """
        await look_for_token_keys(self._env)
        port = open_port(self._server, address, self._env.settings)
        await self._server.start()
        for service in self._services:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        settings = self._env.settings
        watch = DatabaseWatch(self._env, self._health, self._services)
        self._tasks.append(asyncio.create_task(self._credentials.keep_fresh(), name="keep credentials fresh"))
        self._run("watch the database", watch.look, _HEALTH_SECONDS)
        self._run("look for token keys", lambda: look_for_token_keys(self._env), LOOK_SECONDS)
        self._run("watch heads", HeadWatch(self._env).look, settings.poll_seconds)
        self._run("sweep", lambda: sweep(self._env), settings.sweep_minutes * 60)
        if settings.services is not Services.SYNC:
            self._run("sweep requests", lambda: sweep_requests(self._env), settings.sweep_minutes * 60)
        if metrics_are_on():
            self._run("look at statistics", lambda: look_at_statistics(self._env), settings.statistics_seconds)
        if self._worker is not None:
            self._worker.start()
        self._env.notifier.start()
        return Address(address.host, port)

    async def drain(self) -> None:
        """Report NOT_SERVING, refuse new sessions and streams, end live streams. Acknowledgements are still taken."""
        await self._health.enter_graceful_shutdown()
        self._env.drain.start()
        self._env.notifier.wake_all()
        if self._worker is not None:
            self._worker.drain()

    async def stop(self) -> None:
        """Drain, linger for acknowledgements, let open calls finish within the grace, stop."""
        _log.info("draining")
        await self.drain()
        await asyncio.sleep(self._env.settings.drain_linger_seconds)
        await self._server.stop(self._env.settings.drain_grace_seconds)
        if self._worker is not None:
            await self._worker.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._env.notifier.stop()
        self._credentials.close()
        self._env.threads.close()
        _log.info("stopped")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _run(self, what: str, work: Callable[[], Awaitable[None]], every_seconds: float) -> None:
        self._tasks.append(asyncio.create_task(repeat(what, work, every_seconds), name=what))


def channel_options(settings: Settings) -> list[tuple[str, int]]:
    """Options of the server. gRPC's limits stand above ours, so that ours answer first: its answers carry no reason."""
    open_max = settings.calls_max + settings.streams_max
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.server.max_pending_requests", open_max),
        ("grpc.server.max_pending_requests_hard_limit", 2 * open_max),
        ("grpc.max_concurrent_streams", settings.streams_per_connection_max),
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        # By its defaults gRPC refuses some of what has more than 8 KiB: a token of the longest kind, with the rest.
        ("grpc.max_metadata_size", 2 * TOKEN_CHARS_MAX),
        ("grpc.absolute_max_metadata_size", 4 * TOKEN_CHARS_MAX),
        # A peer that is gone is noticed within some 25 seconds; without the ping timeout it takes over a minute.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.ping_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Clients may ping as often as this on a quiet stream; by gRPC's default they are cut off after a minute.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
    ]
