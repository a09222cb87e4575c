"""Making the requests of schedules whose time has come. Any worker does it; the store lets one of them succeed."""

from __future__ import annotations

from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.context import Context

from syncline.data import telemetry
from syncline.data.ids import uuid7
from syncline.server.requests.holding import Hints
from syncline.server.requests.schedule_times import CronInvalid, TimeZoneUnknown, next_run_us
from syncline.storage import Store
from syncline.storage.request_models import Enrollment, NewRequest, Schedule
from syncline.storage.trace_context import current_trace_context

SCHEDULE_PRINCIPAL: Final = "schedule"
"""Who asks for what a schedule makes."""

_AT_A_TIME: Final = 100
"""How many schedules are run before anything is claimed. Each request that is made wakes the workers to look again."""

_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer(telemetry.SCOPE)


def run_due_schedules(store: Store, hints: Hints, now: int) -> None:
    """Make the request of each schedule whose time has come, of all accounts.

    What was missed, for however long, is made up for by one request: the next one comes at the first time after `now`.
    """
    for account_id, enrollment in store.due_schedules(now=now, limit=_AT_A_TIME):
        if enrollment.schedule is not None:
            _run(store, hints, account_id, enrollment, enrollment.schedule, now)


def _run(store: Store, hints: Hints, account_id: str, enrollment: Enrollment, schedule: Schedule, now: int) -> None:
    # A trace of its own, whoever came to look at the time.
    with _tracer.start_as_current_span(
        telemetry.SPAN_SCHEDULE, Context(), record_exception=False, set_status_on_exception=False
    ):
        is_made = _make(store, account_id, enrollment, schedule, now)
    if is_made:
        hints.request_made(account_id)


def _make(store: Store, account_id: str, enrollment: Enrollment, schedule: Schedule, now: int) -> bool:
    """Make the request, unless somebody else was quicker or it is not to be made; was it made?"""
    enrollment_id = enrollment.enrollment_id
    new = NewRequest(
        request_id=str(uuid7()),
        idempotency_key=f"schedule:{enrollment_id}:{enrollment.next_run_at}",
        payload_hash=b"",
        operation=schedule.operation,
        run_full_sync=schedule.run_full_sync,
        enrollment_id=enrollment_id,
        due_at=now,
        by=SCHEDULE_PRINCIPAL,
        trace_context=current_trace_context(),
    )
    next_run_at = _next_run(enrollment_id, schedule, now)
    return store.run_schedule(account_id, enrollment, next_run_at=next_run_at, new=new, now=now) is not None


def _next_run(enrollment_id: str, schedule: Schedule, now: int) -> int:
    """0 if this server cannot read what another one took; else it would fail at it for ever."""
    try:
        return next_run_us(schedule, enrollment_id, now)
    except (CronInvalid, TimeZoneUnknown) as error:
        _log.error("a schedule has ended, for it cannot be read", app_enrollment=enrollment_id, error=str(error))
        return 0
