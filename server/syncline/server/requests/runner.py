"""Runs one sync request that a worker has claimed, from its lease to its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import structlog
from opentelemetry import trace

from syncline.data import telemetry
from syncline.server.acts import act_of_worker
from syncline.server.admission.stored_limits import StoredLimits
from syncline.server.enrollments.secrets import SecretBox
from syncline.server.environment import now_us
from syncline.server.errors import ConnectorNotFound
from syncline.server.requests.attempt import Attempt, RunFailed
from syncline.server.requests.backoff import retry_delay_us
from syncline.server.requests.checking import check
from syncline.server.requests.connectors.contract import Connector, ConnectorError, Job
from syncline.server.requests.connectors.inline import InlineConnector
from syncline.server.requests.connectors.registry import Connectors
from syncline.server.requests.holding import HeldRequest, RunStopped
from syncline.server.requests.inferring import infer_schema
from syncline.server.requests.payload_kinds import PayloadForm, payload_kind
from syncline.server.requests.reading import read
from syncline.server.requests.request_counts import count_begun
from syncline.server.requests.result_messages import error_message, without_secrets, written_message
from syncline.server.requests.run_settings import RunSettings, split_settings
from syncline.server.requests.sweeping import FullRun, sweep_batches
from syncline.server.requests.writing import write
from syncline.storage import Store
from syncline.storage.errors import EnrollmentNotFound, LeaseLost, RequestNotFound, StoreError, StoreUnavailable
from syncline.storage.request_models import Ending, Enrollment, Operation, Progress, SyncRequest
from syncline.storage.trace_context import links, parent_context

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer(telemetry.SCOPE)

_FILE_CONNECTOR: Final = "file"
"""Reads payloads of all kinds but `records`."""
_BEATS_A_LEASE: Final = 3
_FOR_GOOD: Final = (ConnectorNotFound, EnrollmentNotFound, RequestNotFound)
_WORK: Final[dict[Operation, Callable[[Attempt], str]]] = {
    Operation.READ: read,
    Operation.WRITE: write,
    Operation.CHECK: check,
}


class Runner:
    """Runs requests, from any number of threads."""

    def __init__(self, store: Store, connectors: Connectors, secrets: SecretBox, limits: StoredLimits) -> None:
        """Run with these connectors, and secrets that this box opens, within what accounts may have."""
        self._store = store
        self._limits = limits
        self._connectors = connectors
        self._secrets = secrets
        self._inline = InlineConnector()

    def run(self, held: HeldRequest) -> None:
        """Make one attempt, and end it; blocks until then. Whatever goes wrong becomes the request's message.

        Once the lease is lost nothing more is written or said: the request is somebody else's.
        """
        lease = held.lease
        with _tracer.start_as_current_span(
            telemetry.SPAN_RUN,
            parent_context(lease.trace_context),
            trace.SpanKind.CONSUMER,
            {telemetry.REQUEST_ID: lease.request_id, telemetry.REQUEST_ATTEMPT: lease.attempt},
            record_exception=False,
            set_status_on_exception=False,
        ):
            self._run_alive(held)

    def _run_alive(self, held: HeldRequest) -> None:
        log = _log.bind(sync_request=held.lease.request_id, account=held.lease.account_id, attempt=held.lease.attempt)
        beating = threading.Thread(target=_beat, args=(held,), name="heartbeat", daemon=True)
        beating.start()
        try:
            log.info("sync request begun")
            self._run(held)
        except LeaseLost:
            log.warning("the lease was lost")
            trace.get_current_span().add_event(telemetry.EVENT_LEASE_LOST)
            trace.get_current_span().set_status(trace.StatusCode.ERROR)
        except StoreError as error:  # the lease runs out, and the request is claimed again
            log.warning("the sync request could not be ended", error=str(error))
            trace.get_current_span().set_attribute(telemetry.ERROR_TYPE, type(error).__qualname__)
            trace.get_current_span().set_status(trace.StatusCode.ERROR)
        finally:
            held.leave()
            beating.join()

    def _run(self, held: HeldRequest) -> None:
        secrets: dict[str, str] = {}
        failures = 0
        try:
            held.renew()
            held.check()
            request = self._store.get_request(held.lease.account_id, held.lease.request_id)
            failures = request.failure_count
            count_begun(request)
            trace.get_current_span().set_attribute(telemetry.REQUEST_OPERATION, request.operation.value)
            self._link_to_retried(held.lease.account_id, request)
            message = self._attempt(request, held, secrets)
        except LeaseLost:
            raise
        except RunStopped:
            held.end_stopped()
        except RunFailed as error:
            _end_failed(held, Ending.FAILED, str(error))
        except Exception as error:  # noqa: BLE001  a connector may raise anything
            for_good = isinstance(error, _FOR_GOOD) or (isinstance(error, ConnectorError) and error.for_good)
            if not isinstance(error, ConnectorError | StoreError):
                _log.warning("an attempt failed", sync_request=held.lease.request_id, error_type=type(error).__name__)
            trace.get_current_span().set_attribute(telemetry.ERROR_TYPE, type(error).__qualname__)
            ending = Ending.FAILED if for_good else Ending.TRY_AGAIN
            message = error_message(error, secrets.values())
            if held.progress != Progress():
                message = written_message(message, held.progress)
            _end_failed(held, ending, message, due_at=now_us() + retry_delay_us(failures))
        else:
            held.end(Ending.SUCCESS, without_secrets(message, secrets.values()))

    def _link_to_retried(self, account_id: str, request: SyncRequest) -> None:
        """Link the run's span to what asked for the request that this one repeats: its runs are children of that."""
        span = trace.get_current_span()
        if not (request.retry_of and span.is_recording()):
            return
        with suppress(RequestNotFound):
            for link in links([self._store.get_request(account_id, request.retry_of).trace_context]):
                span.add_link(link.context)

    def _attempt(self, request: SyncRequest, held: HeldRequest, secrets: dict[str, str]) -> str:
        """Do the request's operation; `secrets` is filled with what must not come into a message."""
        account_id = held.lease.account_id
        enrollment: Enrollment | None = None
        settings: dict[str, Any] = {}
        own = RunSettings()
        if request.enrollment_id is not None:
            enrollment = self._store.get_enrollment(account_id, request.enrollment_id)
            if not enrollment.enabled:
                raise RunFailed("the enrollment is disabled")
            own, settings = split_settings(json.loads(enrollment.settings))
            secrets |= self._secrets.open(account_id, enrollment.enrollment_id, enrollment.sealed_secrets)
        schema = self._store.read_schema(account_id)
        if request.is_parent:
            held.connector = _FILE_CONNECTOR if enrollment is None else enrollment.connector
            return sweep_batches(FullRun(self._store, held, request, schema, own))
        connector = self._connector(request, enrollment)
        held.connector = connector.name
        trace.get_current_span().set_attribute(telemetry.CONNECTOR, connector.name)
        if request.operation not in connector.operations:
            raise RunFailed(f"the connector {connector.name!r} cannot {request.operation.value}")
        job = Job(
            settings=settings,
            secrets=dict(secrets),
            schema=schema,
            full=request.run_full_sync,
            cursor=start_cursor(request, enrollment),
            payload=self._payload(account_id, request.request_id) if request.payload_kind else None,
            payload_kind=request.payload_kind,
            stopped=held.stopped,
            scope=own.scope,
        )
        if request.operation is Operation.READ and _infers(request, own):
            act = act_of_worker(request.worker, "schema.infer", "schema", sync_request=request.request_id)
            schema = infer_schema(self._store, account_id, connector, job, act=act)
            held.check()
            # The payload was read to its end.
            payload = self._payload(account_id, request.request_id) if request.payload_kind else None
            job = replace(job, schema=schema, payload=payload)
        attempt = Attempt(self._store, held, request, enrollment, connector, job, schema, own, self._limits)
        return _WORK[request.operation](attempt)

    def _connector(self, request: SyncRequest, enrollment: Enrollment | None) -> Connector:
        kind = payload_kind(request.payload_kind)
        if kind is not None and kind.form is PayloadForm.RECORDS:
            return self._inline
        if request.payload_kind or enrollment is None:
            return self._connectors.get(_FILE_CONNECTOR)
        return self._connectors.get(enrollment.connector)

    def _payload(self, account_id: str, request_id: str) -> Iterator[bytes]:
        number = 0
        while chunk := self._store.read_payload(account_id, request_id, after=number):
            number, data = chunk
            yield data


def _infers(request: SyncRequest, settings: RunSettings) -> bool:
    kind = payload_kind(request.payload_kind)
    return settings.infers_schema or (kind is not None and kind.infers)


def start_cursor(request: SyncRequest, enrollment: Enrollment | None) -> str:
    """Where to go on: behind the last committed batch; else, of a delta, behind the last run."""
    if request.cursor or request.run_full_sync or request.payload_kind or enrollment is None:
        return request.cursor
    return enrollment.write_cursor if request.operation is Operation.WRITE else enrollment.read_cursor


def _end_failed(held: HeldRequest, ending: Ending, message: str, *, due_at: int = 0) -> None:
    """End a failed attempt. One that was told to stop may have failed just by that, so it is ended as stopped."""
    with suppress(StoreUnavailable):
        held.renew()  # tells of a cancel, and of what is committed
    if held.stopped():
        held.end_stopped()
    else:
        trace.get_current_span().set_status(trace.StatusCode.ERROR)
        held.end(ending, message, due_at=due_at)


def _beat(held: HeldRequest) -> None:
    """Keep the lease until the run is over."""
    while not held.wait_over(held.lease_seconds / _BEATS_A_LEASE):
        held.beat()
