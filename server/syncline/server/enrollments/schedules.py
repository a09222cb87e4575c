"""Schedules of enrollments: checked as they come with a call, and as messages."""

from __future__ import annotations

from typing import Final

from syncline.server import limits
from syncline.server.environment import now_us
from syncline.server.requests.convert import OPERATIONS
from syncline.server.requests.schedule_times import CronInvalid, TimeZoneUnknown, next_run_us
from syncline.server.violations import Violations
from syncline.storage.request_models import Operation, Schedule
from syncline.v1 import app_enrollment_service_pb2, sync_request_pb2

OPERATION_FIELD: Final = "app_enrollment.schedule.operation"

_CRON: Final = "app_enrollment.schedule.cron"
_TIME_ZONE: Final = "app_enrollment.schedule.time_zone"
_JITTER: Final = "app_enrollment.schedule.jitter_seconds"
_OPERATIONS: Final = {
    sync_request_pb2.SYNC_OPERATION_UNSPECIFIED: Operation.READ,
    **{number: operation for operation, number in OPERATIONS.items()},
}


def wanted_schedule(message: app_enrollment_service_pb2.EnrollmentSchedule, found: Violations) -> Schedule:
    """The schedule that is asked for; the rules that it breaks are noted."""
    operation = _OPERATIONS.get(message.operation)
    if operation is None:
        found.add(OPERATION_FIELD, f"is none of the contract's: {message.operation}")
    jitter = message.jitter_seconds
    found.range(_JITTER, jitter, 0, limits.JITTER_SECONDS_MAX)
    schedule = Schedule(message.cron, message.time_zone, jitter, operation or Operation.READ, message.run_full_sync)
    found.text(_CRON, schedule.cron, limits.CRON_CHARS_MAX, required=True)
    found.text(_TIME_ZONE, schedule.time_zone, limits.TIME_ZONE_CHARS_MAX)
    if not found.all():
        _check_times(schedule, found)
    return schedule


def schedule_message(schedule: Schedule) -> app_enrollment_service_pb2.EnrollmentSchedule:
    """The schedule as it is answered."""
    return app_enrollment_service_pb2.EnrollmentSchedule(
        cron=schedule.cron,
        time_zone=schedule.time_zone,
        jitter_seconds=schedule.jitter_seconds,
        operation=OPERATIONS[schedule.operation],
        run_full_sync=schedule.run_full_sync,
    )


def _check_times(schedule: Schedule, found: Violations) -> None:
    try:
        if next_run_us(schedule, "", now_us()) == 0:
            found.add(_CRON, "names no time that ever comes")
    except CronInvalid as error:
        found.add(_CRON, str(error))
    except TimeZoneUnknown as error:
        found.add(_TIME_ZONE, str(error))
