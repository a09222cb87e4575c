"""DiscoverStreams: what a connected system has. Each look has a thread of its own, as its connector may block."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from syncline.server.enrollments.secrets import SecretsSealed
from syncline.server.environment import Environment
from syncline.server.errors import ConnectorFailed, InvalidRequest, TooManyCalls, Violation
from syncline.server.limits import DISCOVER_SECONDS_MAX, DISCOVERIES_MAX
from syncline.server.requests.connectors.contract import Connector, ConnectorError, DiscoveredStream, Job
from syncline.server.requests.connectors.discovery import STREAMS_MAX
from syncline.server.requests.result_messages import error_message
from syncline.server.requests.run_settings import split_settings
from syncline.storage.request_models import EXTERNAL_CONNECTOR

_ANSWER_SECONDS: Final = 0.5
"""So long before the caller gives up it is told that the look takes too long."""

_log = structlog.get_logger(__name__)


class Discoveries:
    """The looks that run in this server: a bounded number, since none of them can be made to end."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._running = 0

    async def run(self, enrollment_id: str, seconds: float | None) -> Sequence[DiscoveredStream]:
        """Let the enrollment's connector look; from the event loop only.

        Args:
            enrollment_id: the connected system.
            seconds: how long the caller waits; None: for as long as it takes.

        Raises:
            EnrollmentNotFound: no such enrollment.
            InvalidRequest: its connector is `external`, of which nothing is known here.
            ConnectorNotFound: its connector is not installed here.
            ConnectorFailed: the system cannot be looked at, or takes too long.
            TooManyCalls: as many looks run as may.
        """
        if self._running >= DISCOVERIES_MAX:
            raise TooManyCalls("looks at connected systems", DISCOVERIES_MAX)
        self._running += 1
        try:
            ended = threading.Event()
            connector, job = await self._env.threads.run(self._prepare, enrollment_id, ended)
        except BaseException:
            self._running -= 1
            raise
        found = self._start(connector, job)
        limit = DISCOVER_SECONDS_MAX
        if seconds is not None:
            limit = min(limit, max(0.0, seconds - _ANSWER_SECONDS))
        try:
            async with asyncio.timeout(limit):
                return await found
        except TimeoutError:
            raise ConnectorFailed(f"the connected system took more than {limit:,.0f} seconds") from None
        finally:
            ended.set()

    def _prepare(self, enrollment_id: str, ended: threading.Event) -> tuple[Connector, Job]:
        env = self._env
        enrollment = env.store.get_enrollment(env.account_id, enrollment_id)
        if enrollment.connector == EXTERNAL_CONNECTOR:
            rule = "must be one whose connector the server has; what an external worker reads is not known here"
            raise InvalidRequest([Violation("app_enrollment_id", rule)])
        connector = env.connectors.get(enrollment.connector)
        try:
            secrets = env.secrets.open(env.account_id, enrollment_id, enrollment.sealed_secrets)
            own, settings = split_settings(json.loads(enrollment.settings))
        except (SecretsSealed, ConnectorError) as error:
            raise ConnectorFailed(str(error)) from error
        schema = env.store.read_schema(env.account_id)
        return connector, Job(settings, secrets, schema, True, "", stopped=ended.is_set, scope=own.scope)

    def _start(self, connector: Connector, job: Job) -> asyncio.Future[Sequence[DiscoveredStream]]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[DiscoveredStream]] = loop.create_future()

        def tell(streams: Sequence[DiscoveredStream] | ConnectorFailed) -> None:
            self._running -= 1
            if found.done():
                return  # nobody waits any more
            if isinstance(streams, ConnectorFailed):
                found.set_exception(streams)
            else:
                found.set_result(streams)

        def look() -> None:
            outcome = _discover(connector, job)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(tell, outcome)

        # A connector that never returns must not keep the process from ending.
        threading.Thread(target=look, name="discover", daemon=True).start()
        return found


def _discover(connector: Connector, job: Job) -> Sequence[DiscoveredStream] | ConnectorFailed:
    try:
        return tuple(connector.discover(job))[:STREAMS_MAX]
    except Exception as error:  # noqa: BLE001  a connector may raise anything
        if not isinstance(error, ConnectorError):
            _log.warning("a connector failed", connector=connector.name, error_type=type(error).__name__)
        return ConnectorFailed(error_message(error, job.secrets.values()))
