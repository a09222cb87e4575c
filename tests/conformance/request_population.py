"""Sync requests of all kinds and states, made by the calls that make them, for tests of lists."""

from __future__ import annotations

from collections import Counter

from syncline.storage.conformance.tenant import NOW, SECOND, Tenant, record
from syncline.storage.contract import Store
from syncline.storage.models import RecordWrite
from syncline.storage.request_models import (
    ClaimLimits,
    Detail,
    Ending,
    Enrollment,
    Lease,
    NewRequest,
    OnMatch,
    Operation,
    RowBatch,
    Severity,
    SourceRow,
)
from syncline.storage.upload_models import CurrentRecord

DAY = 24 * 3600 * SECOND
REQUESTS = 22
ENROLLMENTS = tuple(f"e{number}000000-0000-4000-8000-00000000000a" for number in range(2))
REQUEST_IDS = tuple(
    f"{number * 37 % 256:02x}00beef-0000-4000-8000-0000000000{number:02x}" for number in range(REQUESTS)
)
PARENT = "7f00beef-0000-4000-8000-0000000000ff"
PEOPLE = (
    "Anna",
    "ANNA",
    "anna",
    "Ämma",
    "ämma",
    "50%_off",
    "50 off",
    "it's",
    'a "b"',
    "back\\slash",
    "\uffee",
    "\U0001f600",
)
"""Texts that databases sort, fold and match in ways of their own."""
MESSAGES = ("", "done", "Done: 3 of 3", "_", "%", "ÉTÉ", "été", "AND (", "a\nb")
CREATED = tuple(NOW + (number - 8) * DAY // 3 for number in range(REQUESTS))
"""When each was made; NOW is among them."""
LATER = NOW + 30 * DAY
LEASE = 60 * SECOND


def populate(store: Store) -> str:
    """Fill a new account, beside another one that is filled likewise; answer its id."""
    stranger, account = (Tenant(store).account_id for _ in range(2))
    for filled in (stranger, account):
        _enroll(store, filled)
        _create(store, filled)
    _work(store)
    return account


def _enroll(store: Store, account: str) -> None:
    for number, enrollment_id in enumerate(ENROLLMENTS):
        enrollment = Enrollment(enrollment_id, f"system {number}", "file", "{}", b"", True, NOW, NOW, "Anna")
        store.put_enrollment(account, enrollment, expected_modified_at=None)


def _create(store: Store, account: str) -> None:
    for number, request_id in enumerate(REQUEST_IDS):
        is_batch = number % 7 == 3
        store.create_request(
            account,
            NewRequest(
                request_id=request_id,
                idempotency_key="",
                payload_hash=b"\0" * 32,
                operation=Operation.READ if is_batch else list(Operation)[number % 3],
                run_full_sync=number % 4 == 0,
                enrollment_id=None if is_batch or number % 2 else ENROLLMENTS[number // 2 % 2],
                due_at=LATER if number % 5 == 4 else CREATED[number],
                by=PEOPLE[number % len(PEOPLE)],
                parent_id=PARENT if is_batch else None,
                current_batch=number // 7 + 1 if is_batch else None,
                total_batches=4 if is_batch else None,
                retry_of=REQUEST_IDS[number - 6] if number % 6 == 5 and number > 6 else None,
            ),
            now=CREATED[number],
        )
    store.cancel_request(account, REQUEST_IDS[0], by="ANNA", now=CREATED[-1])
    store.cancel_request(account, REQUEST_IDS[4], by="ämma", now=CREATED[-1])


def _work(store: Store) -> None:
    """Run attempts on both accounts until all that is left waits, or is in progress."""
    now = CREATED[-1]
    attempts: Counter[str] = Counter()
    limits = ClaimLimits(per_account=REQUESTS)
    while (lease := store.claim_request(worker="worker", limits=limits, lease_us=LEASE, now=now)) is not None:
        attempts[lease.account_id] += 1
        number = attempts[lease.account_id]
        now += SECOND
        if number % 5:  # else it stays in progress, and so does what waits for its enrollment
            _attempt(store, lease, number, now)


def _attempt(store: Store, lease: Lease, number: int, now: int) -> None:
    enrollment_id = store.get_request(lease.account_id, lease.request_id).enrollment_id
    rows = tuple(
        SourceRow("note", f"{enrollment_id} {row}", f"{row}", b"%d" % (number // 3), b"%d" % number, OnMatch.UPDATE)
        for row in range(number % 4)
    )
    batch = RowBatch(
        number=1,
        rows=rows,
        deleted_keys=(("note", "0"), ("note", "1")) if number % 3 == 2 else (),
        details=(Detail(Severity.ERROR, "note", 1, "k", "", "bad", ""),),
        failed={"note": number % 3} if number % 3 else {},
        cursor="{}",
        read=len(rows) + number % 3,
        bytes=10,
        estimate=0,
        now=now,
    )
    store.write_batch(lease, batch, _RowTaker(), lease_us=LEASE)
    ending = (Ending.SUCCESS, Ending.FAILED, Ending.TRY_AGAIN)[number % 3]
    message = MESSAGES[number % len(MESSAGES)]
    store.end_request(lease, ending, message=message, due_at=LATER, failures_max=3, now=now)


class _RowTaker:
    """Writes each row as it came."""

    def write(self, row: SourceRow, *, now: int) -> RecordWrite:
        return record(row.record_key, row.image)

    def merge(self, row: SourceRow, known_image: bytes, current: CurrentRecord, *, now: int) -> RecordWrite:
        return self.write(row, now=now)
