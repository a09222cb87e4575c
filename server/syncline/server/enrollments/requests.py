"""Requests of AppEnrollmentService: checked, and turned into what the calls work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from syncline.data.errors import DataError
from syncline.data.parsing import parse_object
from syncline.server import limits
from syncline.server.enrollments.schedules import wanted_schedule
from syncline.server.violations import Violations
from syncline.storage.request_models import Schedule
from syncline.v1 import app_enrollment_service_pb2


@dataclass(frozen=True, slots=True)
class WantedEnrollment:
    """An enrollment as it is to be."""

    enrollment_id: str
    """Empty: it is new."""
    name: str
    connector: str
    """Of one that is there: empty, or what it is."""
    settings_text: str
    settings: Mapping[str, Any]
    disabled: bool
    schedule: Schedule | None
    modified_at: int
    """When it was last changed as it was read; 0 of a new one."""
    secrets: Mapping[str, str]
    """Secrets to set; an empty one is removed."""


def new_enrollment(request: app_enrollment_service_pb2.CreateAppEnrollmentRequest) -> WantedEnrollment:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    message = request.app_enrollment
    found.text("app_enrollment.connector", message.connector, limits.CONNECTOR_CHARS_MAX, required=True)
    return _wanted(message, request.secrets, found, enrollment_id="", modified_at=0)


def changed_enrollment(request: app_enrollment_service_pb2.UpdateAppEnrollmentRequest) -> WantedEnrollment:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    message = request.app_enrollment
    enrollment_id = found.uuid("app_enrollment.app_enrollment_id", message.app_enrollment_id, required=True)
    found.text("app_enrollment.connector", message.connector, limits.CONNECTOR_CHARS_MAX)
    modified_at = _microseconds(message.modify_time) if message.HasField("modify_time") else 0
    if modified_at <= 0:
        found.add("app_enrollment.modify_time", "must be that of the enrollment as it was read")
    return _wanted(message, request.secrets, found, enrollment_id=enrollment_id, modified_at=modified_at)


def enrollment_id_of(
    request: app_enrollment_service_pb2.GetAppEnrollmentRequest
    | app_enrollment_service_pb2.DeleteAppEnrollmentRequest
    | app_enrollment_service_pb2.DiscoverStreamsRequest,
) -> str:
    """The enrollment that is meant. Raise `InvalidRequest` if it is no UUID."""
    found = Violations()
    enrollment_id = found.uuid("app_enrollment_id", request.app_enrollment_id, required=True)
    found.raise_if_any()
    return enrollment_id


def _wanted(
    message: app_enrollment_service_pb2.AppEnrollment,
    secrets: Mapping[str, str],
    found: Violations,
    *,
    enrollment_id: str,
    modified_at: int,
) -> WantedEnrollment:
    found.text("app_enrollment.name", message.name, limits.ENROLLMENT_NAME_CHARS_MAX, required=True)
    settings = _settings(message.settings, found)
    schedule = wanted_schedule(message.schedule, found) if message.HasField("schedule") else None
    _check_secrets(secrets, found)
    found.raise_if_any()
    return WantedEnrollment(
        enrollment_id=enrollment_id,
        name=message.name,
        connector=message.connector,
        settings_text=message.settings or "{}",
        settings=settings,
        disabled=message.disabled,
        schedule=schedule,
        modified_at=modified_at,
        secrets=dict(secrets),
    )


def _microseconds(time: Timestamp) -> int:
    """0 if it is none that a calendar has."""
    try:
        return time.ToMicroseconds()
    except ValueError:
        return 0


def _settings(text: str, found: Violations) -> Mapping[str, Any]:
    """The settings; none if they are empty, or wrong."""
    field = "app_enrollment.settings"
    if len(text) > limits.SETTINGS_CHARS_MAX:
        found.text(field, text, limits.SETTINGS_CHARS_MAX)
    elif text:
        try:
            return parse_object(text.encode())
        except DataError as error:
            found.add(field, f"{error.path}: {error.rule}" if error.path else error.rule)
    return {}


def _check_secrets(secrets: Mapping[str, str], found: Violations) -> None:
    """Never told: a secret itself, nor a part of it."""
    if not found.count("secrets", len(secrets), limits.SECRETS_MAX):
        return
    for name in sorted(secrets):
        found.text("secrets", name, limits.SECRET_NAME_CHARS_MAX, required=True)
        found.text(f"secrets[{name[: limits.SECRET_NAME_CHARS_MAX]}]", secrets[name], limits.SECRET_CHARS_MAX)
