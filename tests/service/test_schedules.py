"""Schedules of enrollments: set, answered, and run by workers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from syncline.server.config import load_settings
from syncline.server.environment import now_us
from syncline.server.requests.scheduling import run_due_schedules
from syncline.server.requests.worker import Worker
from syncline.storage import Store, open_store
from syncline.storage.request_models import Operation, RequestQuery, Schedule, SyncRequest
from syncline.storage.request_states import RequestStatus
from syncline.v1 import app_enrollment_service_pb2 as pb2
from syncline.v1 import sync_request_pb2 as request_pb2
from tests.connectors.working import ACCOUNT, ENROLLMENT_ID, Site
from tests.harness.connectors import installed_connectors
from tests.harness.server import RunningApp, running_app
from tests.service.requesting import RequestCalls, bad_fields, request_calls, status

LEAP_DAY = "0 0 29 2 *"
"""It will hardly come round while a test runs."""
READER = """
from syncline.storage.request_models import Operation

class Reader:
    name = "reader"
    description = "Only reads."
    operations = frozenset({Operation.READ})

    def check_settings(self, settings, secrets):
        pass

    read = write = check = discover = None

reader = Reader()
"""


# Set and answered


@pytest.fixture
async def app(store: Store, tmp_path: Path) -> AsyncIterator[RunningApp]:
    """A server that runs nothing by itself."""
    with installed_connectors(tmp_path, READER, {"reader": "reader"}):
        async with running_app(store, embedded_worker=False) as app:
            yield app


@pytest.fixture
async def calls(app: RunningApp) -> AsyncIterator[RequestCalls]:
    async with request_calls(app.address) as calls:
        yield calls


def nightly(**fields: object) -> pb2.EnrollmentSchedule:
    return pb2.EnrollmentSchedule(**{"cron": LEAP_DAY, "time_zone": "Europe/Berlin", **fields})  # type: ignore[arg-type]


async def update(calls: RequestCalls, enrollment: pb2.AppEnrollment) -> pb2.AppEnrollment:
    return await calls.enrollments.UpdateAppEnrollment(pb2.UpdateAppEnrollmentRequest(app_enrollment=enrollment))


async def test_a_schedule_is_answered_with_its_next_time(calls: RequestCalls) -> None:
    schedule = nightly(jitter_seconds=60, operation=request_pb2.SYNC_OPERATION_WRITE, run_full_sync=True)
    made = await calls.enroll(schedule=schedule)

    (listed,) = (await calls.enrollments.ListAppEnrollments(pb2.ListAppEnrollmentsRequest())).app_enrollments
    default = await calls.enroll("other", schedule=pb2.EnrollmentSchedule(cron=LEAP_DAY))

    assert (made.schedule, listed) == (schedule, made)
    time = made.next_run_time.ToDatetime()
    assert (time.month, time.day, time.hour, time.minute) == (2, 28, 23, 0)
    assert default.schedule.operation == request_pb2.SYNC_OPERATION_READ
    assert default.next_run_time.ToDatetime().hour == 0
    assert not (await calls.enroll("third")).HasField("next_run_time")


async def test_a_change_of_the_schedule_sets_the_next_time(calls: RequestCalls) -> None:
    made = await calls.enroll(schedule=nightly())
    made.schedule.time_zone = "Asia/Tokyo"
    elsewhere = await update(calls, made)
    elsewhere.disabled = True
    disabled = await update(calls, elsewhere)
    disabled.disabled = False
    enabled = await update(calls, disabled)
    enabled.ClearField("schedule")
    without = await update(calls, enabled)

    assert elsewhere.next_run_time.ToDatetime().hour == 15
    assert (disabled.schedule, disabled.HasField("next_run_time")) == (elsewhere.schedule, False)
    assert enabled.next_run_time == elsewhere.next_run_time
    assert not without.HasField("schedule")
    assert not without.HasField("next_run_time")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cron": ""}, "cron"),
        ({"cron": "0 25 * * *"}, "cron"),
        ({"cron": "0 0 */29 2 MON#5"}, "cron"),
        ({"cron": "0 0 * * " + "1," * 100 + "1"}, "cron"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"jitter_seconds": -1}, "jitter_seconds"),
        ({"jitter_seconds": 3_601}, "jitter_seconds"),
        ({"operation": 9}, "operation"),
    ],
    ids=["none", "wrong", "never", "long", "zone", "below", "above", "operation"],
)
async def test_bad_fields_are_named(calls: RequestCalls, fields: dict[str, object], field: str) -> None:
    assert await bad_fields(calls.enroll(schedule=nightly(**fields))) == [f"app_enrollment.schedule.{field}"]


async def test_what_the_connector_cannot_do_is_not_scheduled(calls: RequestCalls) -> None:
    field = "app_enrollment.schedule.operation"
    write = nightly(operation=request_pb2.SYNC_OPERATION_WRITE)
    assert await bad_fields(calls.enroll(connector="reader", schedule=write)) == [field]
    made = await calls.enroll(connector="reader", schedule=nightly())
    made.schedule.CopyFrom(write)
    assert await bad_fields(update(calls, made)) == [field]


async def test_a_worker_outside_gets_what_is_scheduled(app: RunningApp, calls: RequestCalls) -> None:
    made = await calls.enroll()
    schedule = Schedule(LEAP_DAY, "", 0, Operation.CHECK, run_full_sync=True)
    plan(app.store, made.app_enrollment_id, schedule)

    leased = (await calls.lease()).sync_request

    assert (leased.app_enrollment_id, leased.operation_name) == (made.app_enrollment_id, "check")
    assert (leased.run_full_sync, status(leased)) == (True, "IN_PROGRESS")
    assert not (await calls.lease()).HasField("sync_request")


# Run


@pytest.fixture
def site(store_url: str) -> Iterator[Site]:
    with closing(open_store(store_url)) as store:
        made = Site(store)
        made.declare()
        yield made


def plan(store: Store, enrollment_id: str, schedule: Schedule, *, due_at: int = 1) -> None:
    """Give an enrollment the schedule, due for long."""
    known = store.get_enrollment(ACCOUNT, enrollment_id)
    wanted = replace(known, schedule=schedule, next_run_at=due_at, modified_at=known.modified_at + 1)
    store.put_enrollment(ACCOUNT, wanted, expected_modified_at=known.modified_at)


def requests(store: Store) -> list[SyncRequest]:
    return store.list_requests(ACCOUNT, RequestQuery(limit=500))


def have_ended(store: Store, count: int) -> bool:
    """Have at least so many requests?"""
    return sum(one.status.is_final for one in requests(store)) >= count


@asynccontextmanager
async def worker(site: Site) -> AsyncIterator[None]:
    """A worker in the test's event loop."""
    made = Worker(load_settings(poll_seconds=0.02, worker_slots=3), site.store, site.runner, site.hints)
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        made.stop()
        await task


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread brings about; pytest's timeout ends a wait for ever."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_g11_each_time_makes_one_request_however_many_workers_there_are(postgres_url: str) -> None:
    ids = [str(uuid4()) for _ in range(12)]
    async with AsyncExitStack() as stack:
        sites = [Site(stack.enter_context(closing(open_store(postgres_url)))) for _ in range(2)]
        first = sites[0]
        first.declare()
        for enrollment_id in ids:
            first.enroll(enrollment_id, rows=1)
        for site in sites:
            await stack.enter_async_context(worker(site))
        for number in (1, 2):
            for enrollment_id in ids:
                # A schedule that changes sets the time.
                schedule = Schedule(LEAP_DAY, "", number, Operation.READ, run_full_sync=True)
                plan(first.store, enrollment_id, schedule, due_at=number)
            await until(partial(have_ended, first.store, number * len(ids)))
    with closing(open_store(postgres_url)) as store:
        made = requests(store)
        enrollments = store.list_enrollments(ACCOUNT)
    assert Counter(one.enrollment_id for one in made) == dict.fromkeys(ids, 2)
    assert {(one.status, one.run_full_sync) for one in made} == {(RequestStatus.SUCCESS, True)}
    assert all(one.next_run_at > max(request.created_at for request in made) for one in enrollments)


def test_g11_however_many_times_were_missed_one_request_makes_up_for_them(site: Site) -> None:
    site.enroll()
    plan(site.store, ENROLLMENT_ID, Schedule("* * * * *", "", 0, Operation.READ, run_full_sync=False))
    now = now_us()
    for _ in range(3):
        run_due_schedules(site.store, site.hints, now)
    (request,) = requests(site.store)
    assert (request.created_at, request.modified_by) == (now, "schedule")
    minute = 60_000_000
    following = site.store.get_enrollment(ACCOUNT, ENROLLMENT_ID).next_run_at
    assert following == (now // minute + 1) * minute
    run_due_schedules(site.store, site.hints, following)
    assert requests(site.store) == [request]
    site.run(request.request_id)
    run_due_schedules(site.store, site.hints, following + minute)
    assert len(requests(site.store)) == 2


@pytest.mark.parametrize(("cron", "time_zone"), [("nonsense", ""), ("0 0 * * *", "Europe/Atlantis")])
def test_a_schedule_that_this_server_cannot_read_ends(site: Site, cron: str, time_zone: str) -> None:
    site.enroll()
    plan(site.store, ENROLLMENT_ID, Schedule(cron, time_zone, 0, Operation.READ, run_full_sync=False))
    run_due_schedules(site.store, site.hints, now_us())
    assert site.store.get_enrollment(ACCOUNT, ENROLLMENT_ID).next_run_at == 0
    assert len(requests(site.store)) == 1
