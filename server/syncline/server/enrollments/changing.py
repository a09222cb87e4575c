"""CreateAppEnrollment, UpdateAppEnrollment: checked with the connector, secrets sealed, stored."""

from __future__ import annotations

from collections.abc import Mapping

from syncline.data.ids import uuid7
from syncline.server import limits
from syncline.server.acts import act_of_caller
from syncline.server.enrollments.requests import WantedEnrollment
from syncline.server.enrollments.schedules import OPERATION_FIELD
from syncline.server.enrollments.secrets import SecretsSealed, secret_names
from syncline.server.environment import Environment, now_us
from syncline.server.errors import ConnectorNotFound, InvalidRequest, Violation
from syncline.server.requests.connectors.contract import ConnectorError
from syncline.server.requests.run_settings import split_settings
from syncline.server.requests.schedule_times import next_run_us
from syncline.storage.request_models import EXTERNAL_CONNECTOR, Enrollment, Schedule


async def create_enrollment(env: Environment, wanted: WantedEnrollment) -> Enrollment:
    """Connect a system.

    Raises:
        ConnectorNotFound: the connector is not installed here.
        InvalidRequest: the connector does not take the settings, or cannot do what is scheduled, or there is no key to
            seal secrets with.
        NameTaken: another enrollment of the account has the name.
    """
    return await env.threads.run(_create, env, wanted)


async def update_enrollment(env: Environment, wanted: WantedEnrollment) -> Enrollment:
    """Change an enrollment as it was read.

    Raises:
        EnrollmentNotFound: it is not there.
        EnrollmentChanged: somebody changed it meanwhile.
        ConnectorNotFound, InvalidRequest, NameTaken: as `create_enrollment`.
    """
    return await env.threads.run(_update, env, wanted)


def _create(env: Environment, wanted: WantedEnrollment) -> Enrollment:
    env.connectors.info(wanted.connector)
    enrollment_id, now = str(uuid7()), now_us()
    secrets = {name: secret for name, secret in wanted.secrets.items() if secret}
    _check_settings(env, wanted.connector, wanted, secrets)
    _check_schedule(env, wanted.connector, wanted.schedule)
    enrollment = Enrollment(
        enrollment_id=enrollment_id,
        name=wanted.name,
        connector=wanted.connector,
        settings=wanted.settings_text,
        sealed_secrets=_seal(env, enrollment_id, secrets),
        enabled=not wanted.disabled,
        created_at=now,
        modified_at=now,
        modified_by=env.principal,
        schedule=wanted.schedule,
        next_run_at=_next_run(wanted, enrollment_id, now),
    )
    act = act_of_caller("enrollment.create", enrollment_id, name=wanted.name, connector=wanted.connector)
    return env.store.put_enrollment(env.account_id, enrollment, expected_modified_at=None, act=act)


def _update(env: Environment, wanted: WantedEnrollment) -> Enrollment:
    known = env.store.get_enrollment(env.account_id, wanted.enrollment_id)
    if wanted.connector not in ("", known.connector):
        raise InvalidRequest([Violation("app_enrollment.connector", f"stays what it is: {known.connector!r}")])
    env.connectors.info(known.connector)
    secrets = _merged_secrets(env, known, wanted.secrets)
    _check_settings(env, known.connector, wanted, secrets)
    _check_schedule(env, known.connector, wanted.schedule)
    now = now_us()
    enrollment = Enrollment(
        enrollment_id=known.enrollment_id,
        name=wanted.name,
        connector=known.connector,
        settings=wanted.settings_text,
        sealed_secrets=_seal(env, known.enrollment_id, secrets) if wanted.secrets else known.sealed_secrets,
        enabled=not wanted.disabled,
        created_at=known.created_at,
        # Later than before in any case, so that each change can be told from the one before it.
        modified_at=max(now, known.modified_at + 1),
        modified_by=env.principal,
        schedule=wanted.schedule,
        # The store keeps the time that it has if this is the schedule that it has.
        next_run_at=_next_run(wanted, known.enrollment_id, now),
    )
    changed = {"name": wanted.name, "secrets_changed": ", ".join(sorted(wanted.secrets))}
    act = act_of_caller("enrollment.update", known.enrollment_id, **changed)
    return env.store.put_enrollment(env.account_id, enrollment, expected_modified_at=wanted.modified_at, act=act)


def _merged_secrets(env: Environment, known: Enrollment, wanted: Mapping[str, str]) -> dict[str, str]:
    """The secrets as they are to be. Those that are there need not be opened if all of them are given anew."""
    kept: dict[str, str] = {}
    if not set(secret_names(known.sealed_secrets)) <= set(wanted):
        try:
            kept = env.secrets.open(env.account_id, known.enrollment_id, known.sealed_secrets)
        except SecretsSealed as error:
            raise InvalidRequest([Violation("secrets", f"{error}; or give all of them anew")]) from error
    merged = {name: secret for name, secret in {**kept, **wanted}.items() if secret}
    if len(merged) > limits.SECRETS_MAX:
        raise InvalidRequest([Violation("secrets", f"at most {limits.SECRETS_MAX:,} entries, not {len(merged):,}")])
    return merged


def _check_settings(env: Environment, connector: str, wanted: WantedEnrollment, secrets: Mapping[str, str]) -> None:
    try:
        _, others = split_settings(wanted.settings)
        if connector != EXTERNAL_CONNECTOR:
            env.connectors.get(connector).check_settings(others, secrets)
    except ConnectorError as error:
        raise InvalidRequest([Violation("app_enrollment.settings", str(error))]) from error


def _check_schedule(env: Environment, connector: str, schedule: Schedule | None) -> None:
    try:
        if schedule is not None:
            env.connectors.need_operation(connector, schedule.operation)
    except ConnectorNotFound as error:
        raise InvalidRequest([Violation(OPERATION_FIELD, str(error))]) from error


def _next_run(wanted: WantedEnrollment, enrollment_id: str, now: int) -> int:
    """When the schedule makes its first request; 0: it makes none."""
    if wanted.schedule is None or wanted.disabled:
        return 0
    return next_run_us(wanted.schedule, enrollment_id, now)


def _seal(env: Environment, enrollment_id: str, secrets: Mapping[str, str]) -> bytes:
    try:
        return env.secrets.seal(env.account_id, enrollment_id, secrets)
    except SecretsSealed as error:
        raise InvalidRequest([Violation("secrets", str(error))]) from error
