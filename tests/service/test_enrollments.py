"""AppEnrollmentService."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from syncline.server.errors import SettingsInvalid
from syncline.server.requests.connectors.registry import load_connectors
from syncline.storage import Store
from syncline.v1 import app_enrollment_service_pb2 as pb2
from tests.harness.connectors import installed_connectors
from tests.harness.secrets import secret
from tests.harness.server import RunningApp, running_app
from tests.harness.wire import detail_of
from tests.service.requesting import RequestCalls, bad_fields, refusal, request_calls

SOURCE = """
from syncline.server.requests.connectors.contract import ConnectorError
from syncline.storage.request_models import Operation

class Shop:
    name = "shop"
    description = "A shop."
    operations = frozenset({Operation.READ})

    def check_settings(self, settings, secrets):
        if settings != {"url": "https://shop.example"} or set(secrets) - {"password", "token"}:
            raise ConnectorError("url: must be that of the shop", for_good=True)

    read = write = discover = check = None

shop = Shop()
nothing = 5
"""
SETTINGS = '{"url": "https://shop.example", "delete_limit": 0.5}'
NO_ENROLLMENT = "6f1c2b9a-3e0d-4a51-9c77-1d2e3f405162"
KEY = secret(base64.b64encode(bytes(range(32))).decode())


@pytest.fixture
async def app(store: Store, tmp_path: Path) -> AsyncIterator[RunningApp]:
    """A server with a secret key and the connector `shop`."""
    with installed_connectors(tmp_path, SOURCE, {"shop": "shop"}):
        async with running_app(store, embedded_worker=False, secret_key=KEY) as app:
            yield app


@pytest.fixture
async def calls(app: RunningApp) -> AsyncIterator[RequestCalls]:
    async with request_calls(app.address) as calls:
        yield calls


async def get(calls: RequestCalls, enrollment_id: str) -> pb2.AppEnrollment:
    return await calls.enrollments.GetAppEnrollment(pb2.GetAppEnrollmentRequest(app_enrollment_id=enrollment_id))


async def update(
    calls: RequestCalls, enrollment: pb2.AppEnrollment, secrets: dict[str, str] | None = None
) -> pb2.AppEnrollment:
    return await calls.enrollments.UpdateAppEnrollment(
        pb2.UpdateAppEnrollmentRequest(app_enrollment=enrollment, secrets=secrets)
    )


async def test_an_enrollment_is_made_read_listed_and_removed(calls: RequestCalls) -> None:
    made = await calls.enroll("books", connector="shop", settings=SETTINGS)
    other = await calls.enroll("archive")

    listed = await calls.enrollments.ListAppEnrollments(pb2.ListAppEnrollmentsRequest())

    assert (made.name, made.connector, made.settings, made.modified_by) == ("books", "shop", SETTINGS, "developer")
    assert await get(calls, made.app_enrollment_id) == made
    assert list(listed.app_enrollments) == [other, made]
    await calls.remove(made.app_enrollment_id)
    assert await refusal(get(calls, made.app_enrollment_id)) == ("NOT_FOUND", "ENROLLMENT_NOT_FOUND")
    assert await refusal(calls.remove(made.app_enrollment_id)) == ("NOT_FOUND", "ENROLLMENT_NOT_FOUND")


async def test_a_name_is_used_once(calls: RequestCalls) -> None:
    await calls.enroll("books")

    assert await refusal(calls.enroll("books")) == ("ALREADY_EXISTS", "NAME_TAKEN")


async def test_bad_fields_are_named(calls: RequestCalls) -> None:
    assert await bad_fields(calls.enroll("", connector="", settings="[1]", secrets={"": "x"})) == [
        "app_enrollment.connector",
        "app_enrollment.name",
        "app_enrollment.settings",
        "secrets",
    ]
    assert await bad_fields(calls.enroll(settings='{"delete_limit": 2}')) == ["app_enrollment.settings"]
    assert await bad_fields(get(calls, "no id")) == ["app_enrollment_id"]
    assert await bad_fields(update(calls, pb2.AppEnrollment(name="n"))) == [
        "app_enrollment.app_enrollment_id",
        "app_enrollment.modify_time",
    ]


async def test_the_connector_judges_its_settings(calls: RequestCalls) -> None:
    made = await calls.enroll("books", connector="shop", settings=SETTINGS)

    assert await bad_fields(calls.enroll("other", connector="shop", settings="{}")) == ["app_enrollment.settings"]
    made.settings = '{"url": "elsewhere"}'
    assert await bad_fields(update(calls, made)) == ["app_enrollment.settings"]


async def test_a_connector_must_be_installed_and_stays(calls: RequestCalls) -> None:
    made = await calls.enroll("books")

    assert await refusal(calls.enroll("other", connector="moon")) == ("NOT_FOUND", "CONNECTOR_NOT_FOUND")
    made.connector = "shop"
    assert await bad_fields(update(calls, made)) == ["app_enrollment.connector"]


async def test_a_change_of_what_somebody_else_changed_is_refused(calls: RequestCalls) -> None:
    made = await calls.enroll("books")
    made.name, made.disabled = "accounts", True

    changed = await update(calls, made)

    assert (changed.name, changed.disabled, changed.create_time) == ("accounts", True, made.create_time)
    assert await refusal(update(calls, made)) == ("ABORTED", "ENROLLMENT_CHANGED")
    changed.app_enrollment_id = NO_ENROLLMENT
    assert await refusal(update(calls, changed)) == ("NOT_FOUND", "ENROLLMENT_NOT_FOUND")


async def test_an_enrollment_in_use_is_not_removed(calls: RequestCalls) -> None:
    made = await calls.enroll("books")
    await calls.create(made.app_enrollment_id)

    assert await refusal(calls.remove(made.app_enrollment_id)) == ("FAILED_PRECONDITION", "ENROLLMENT_BUSY")


async def test_an_enrollment_tells_of_its_last_runs(calls: RequestCalls) -> None:
    made = await calls.enroll()
    assert not made.HasField("last_sync_request")
    assert not made.HasField("last_successful_sync_request")
    await calls.create(made.app_enrollment_id)
    done = await calls.run_outside("SUCCESS")
    failed_id = (await calls.create(made.app_enrollment_id)).sync_request_id
    failed = await calls.run_outside("FAILED")
    assert failed.sync_request_id == failed_id

    (listed,) = (await calls.enrollments.ListAppEnrollments(pb2.ListAppEnrollmentsRequest())).app_enrollments

    assert (listed.last_sync_request, listed.last_successful_sync_request) == (failed, done)
    assert await get(calls, made.app_enrollment_id) == listed
    assert (await update(calls, listed)).last_successful_sync_request == done


@pytest.mark.parametrize("seconds", [-1, 1 << 62, -1 << 63, 253_402_300_800])
async def test_a_time_that_no_calendar_has_is_none_that_was_read(calls: RequestCalls, seconds: int) -> None:
    made = await calls.enroll()
    made.modify_time.seconds = seconds

    assert await bad_fields(update(calls, made)) == ["app_enrollment.modify_time"]


async def test_an_error_with_many_long_names_arrives_whole(calls: RequestCalls) -> None:
    secrets = {chr(0x1F600 + number) * 100: "\0" for number in range(50)}

    fields = await bad_fields(calls.enroll(secrets=secrets))

    assert 1 <= len(fields) <= 20
    assert fields[0] == f"secrets[{chr(0x1F600) * 100}]"


async def test_secrets_are_set_kept_and_removed_and_never_answered(app: RunningApp, calls: RequestCalls) -> None:
    def stored() -> dict[str, str]:
        enrollment = app.store.get_enrollment("dev", made.app_enrollment_id)
        assert b"hunter2" not in enrollment.sealed_secrets
        return app.environment.secrets.open("dev", enrollment.enrollment_id, enrollment.sealed_secrets)

    made = await calls.enroll(
        "books", connector="shop", settings=SETTINGS, secrets={"password": "hunter2", "token": "t"}
    )
    assert list(made.secret_names) == ["password", "token"]
    assert stored() == {"password": "hunter2", "token": "t"}
    assert "hunter2" not in str(made)

    kept = await update(calls, made)
    assert stored() == {"password": "hunter2", "token": "t"}
    changed = await update(calls, kept, {"token": ""})
    assert list(changed.secret_names) == ["password"]
    assert stored() == {"password": "hunter2"}


async def test_without_a_key_no_secrets_are_taken(store: Store) -> None:
    async with running_app(store, embedded_worker=False) as app, request_calls(app.address) as calls:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await calls.enroll(secrets={"password": "hunter2"})

    (violation,) = detail_of(refused.value, error_details_pb2.BadRequest).field_violations
    assert (violation.field, "secret_key" in violation.description) == ("secrets", True)
    assert "hunter2" not in str(refused.value)


async def test_after_the_key_was_lost_secrets_can_be_given_anew(store: Store) -> None:
    async with running_app(store, embedded_worker=False, secret_key=KEY) as app, request_calls(app.address) as calls:
        made = await calls.enroll(secrets={"password": "a", "token": "b"})
    other = base64.b64encode(bytes(32)).decode()
    async with running_app(store, embedded_worker=False, secret_key=other) as app, request_calls(app.address) as calls:
        assert await bad_fields(update(calls, made, {"password": "c"})) == ["secrets"]
        anew = await update(calls, made, {"password": "c", "token": ""})

    assert list(anew.secret_names) == ["password"]


async def test_connectors_are_listed(calls: RequestCalls) -> None:
    listed = await calls.enrollments.ListConnectors(pb2.ListConnectorsRequest())

    connectors = {one.name: (one.description, list(one.operations)) for one in listed.connectors}
    assert connectors["shop"] == ("A shop.", ["read"])
    assert connectors["external"][1] == ["check", "read", "write"]


@pytest.mark.parametrize(("name", "attribute"), [("shop", "nothing"), ("shop", "missing"), ("market", "shop")])
def test_a_server_does_not_start_with_a_connector_that_is_none(tmp_path: Path, name: str, attribute: str) -> None:
    with installed_connectors(tmp_path, SOURCE, {name: attribute}), pytest.raises(SettingsInvalid, match="connector"):
        load_connectors()
