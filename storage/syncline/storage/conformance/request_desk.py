"""Asking for sync requests of one account and working on them, in few words."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from itertools import count
from typing import Any
from uuid import uuid4

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.parsing import parse_object
from syncline.storage.conformance.tenant import NOW, SECOND, Tenant
from syncline.storage.contract import Store
from syncline.storage.errors import LeaseLost
from syncline.storage.models import RecordWrite
from syncline.storage.request_models import (
    BatchResult,
    ClaimLimits,
    Ending,
    Enrollment,
    Lease,
    NewRequest,
    OnMatch,
    Operation,
    Progress,
    RowBatch,
    SourceRow,
    SyncRequest,
)
from syncline.storage.upload_models import CurrentRecord

LEASE_US = 60 * SECOND
FAILURES_MAX = 3
ANY_NUMBER = ClaimLimits(per_account=1000)

Data = dict[str, Any]


def row(
    source_key: str,
    data: Data,
    *,
    key: str | None = None,
    object_type: str = "note",
    on_match: OnMatch = OnMatch.UPDATE,
) -> SourceRow:
    """A row of the connected system; its record has the same key unless told."""
    image = canonical_bytes(data)
    record_key = source_key if key is None else key
    return SourceRow(object_type, record_key, source_key, blake2b(image).digest()[:32], image, on_match)


class FieldWriter:
    """A row's frame is its image. What the source changed since the image is changed in the record; all else stays."""

    def __init__(self, bucket: str | None = None) -> None:
        """Write into this bucket."""
        self._bucket = bucket

    def write(self, row: SourceRow, *, now: int) -> RecordWrite:
        """See `RowWriter.write`."""
        return RecordWrite(row.object_type, row.record_key, row.image, data_hash(row.image), now, self._bucket)

    def merge(self, row: SourceRow, known_image: bytes, current: CurrentRecord, *, now: int) -> RecordWrite:
        """See `RowWriter.merge`."""
        assert current.frame is not None
        before, after, result = parse_object(known_image), parse_object(row.image), parse_object(current.frame)
        for name in before.keys() | after.keys():
            if before.get(name) != after.get(name):
                result[name] = after.get(name)
        frame = canonical_bytes({name: value for name, value in result.items() if value is not None})
        return self.write(row, now=now)._replace(frame=frame, data_hash=data_hash(frame))


def batch(*rows: SourceRow, number: int = 1, **changes: Any) -> RowBatch:
    """A batch of these rows; the changes are fields of `RowBatch`."""
    made = RowBatch(
        number=number,
        rows=rows,
        deleted_keys=(),
        details=(),
        failed={},
        cursor="",
        read=len(rows),
        bytes=0,
        estimate=0,
        now=NOW,
    )
    return replace(made, **changes)


class Desk:
    """One account's enrollments and requests, and a worker that serves them.

    Claiming crosses accounts, and a suite keeps one store for all of its tests: what earlier tests left behind, the
    worker ends when it meets it.
    """

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.store: Store = tenant.store
        self.account_id = tenant.account_id
        self._names = count(1)

    def enroll(self, **changes: Any) -> str:
        """A new enrollment; its id. The changes are fields of `Enrollment`."""
        made = self.enrollment(**changes)
        self.store.put_enrollment(self.account_id, made, expected_modified_at=None)
        return made.enrollment_id

    def enrollment(self, **changes: Any) -> Enrollment:
        """An enrollment to store."""
        now = self.tenant.now()
        made = Enrollment(
            enrollment_id=str(uuid4()),
            name=f"system {next(self._names)}",
            connector="csv",
            settings='{"folder":"in"}',
            sealed_secrets=b"sealed",
            enabled=True,
            created_at=now,
            modified_at=now,
            modified_by="somebody",
        )
        return replace(made, **changes)

    def new(self, **changes: Any) -> NewRequest:
        """A request to make, due at once; the changes are fields of `NewRequest`."""
        made = NewRequest(
            request_id=str(uuid4()),
            idempotency_key="",
            payload_hash=b"",
            operation=Operation.READ,
            run_full_sync=False,
            enrollment_id=None,
            due_at=self.tenant.now(),
            by="somebody",
        )
        return replace(made, **changes)

    def ask(self, *, now: int | None = None, **changes: Any) -> SyncRequest:
        """Make a request."""
        new = self.new(**changes)
        return self.store.create_request(self.account_id, new, now=self.tenant.now() if now is None else now)

    def get(self, request_id: str) -> SyncRequest:
        """The request as it stands."""
        return self.store.get_request(self.account_id, request_id)

    def cancel(self, request_id: str, *, by: str = "canceller") -> SyncRequest:
        """Cancel the request."""
        return self.store.cancel_request(self.account_id, request_id, by=by, now=self.tenant.now())

    def claim(
        self,
        *,
        worker: str = "worker",
        limits: ClaimLimits = ANY_NUMBER,
        lease_us: int = LEASE_US,
        now: int | None = None,
        external: bool = False,
    ) -> Lease | None:
        """Claim a request of this account, if there is one that may run."""
        while True:
            at = self.tenant.now() if now is None else now
            lease = self.store.claim_request(
                worker=worker,
                limits=limits,
                lease_us=lease_us,
                now=at,
                external_of=self.account_id if external else None,
            )
            if lease is None or lease.account_id == self.account_id:
                return lease
            with suppress(LeaseLost):  # another thread may have let it run out
                self.end(lease, Ending.FAILED)

    def claimed(self, **options: Any) -> Lease:
        """Claim a request of this account, of which it is known that there is one; the options are those of `claim`."""
        lease = self.claim(**options)
        assert lease is not None
        return lease

    def lease(self, **changes: Any) -> Lease:
        """Make a request and claim it, while the account has no other one to be claimed."""
        request = self.ask(**changes)
        lease = self.claimed()
        assert lease.request_id == request.request_id
        return lease

    def write(self, lease: Lease, *rows: SourceRow, number: int = 1, **changes: Any) -> BatchResult:
        """Write a batch; the changes are fields of `RowBatch`."""
        made = batch(*rows, number=number, **{"now": self.tenant.now(), **changes})
        return self.store.write_batch(lease, made, FieldWriter(), lease_us=LEASE_US)

    def end(self, lease: Lease, ending: Ending = Ending.SUCCESS, **changes: Any) -> SyncRequest:
        """End the attempt; the changes are arguments of `end_request`."""
        now = self.tenant.now()
        arguments = {"message": "", "due_at": now, "failures_max": FAILURES_MAX, "now": now, **changes}
        return self.store.end_request(lease, ending, **arguments)

    def run(self, *rows: SourceRow, deleted: Sequence[tuple[str, str]] = (), **changes: Any) -> Progress:
        """Make a request, write one batch for it, and end it: what came of it."""
        lease = self.lease(**changes)
        self.write(lease, *rows, deleted_keys=tuple(deleted))
        return self.end(lease).progress

    def sweep(self, lease: Lease, *object_types: str, limit: int = 100) -> int:
        """Delete what the request has not seen; how much of it is left."""
        now = self.tenant.now()
        return self.store.sweep_unseen(lease, object_types, limit=limit, lease_us=LEASE_US, now=now).left

    def promote(self, now: int, *, failures_max: int = FAILURES_MAX) -> int:
        """Move on what is due at that time; how many moved, of all accounts."""
        return self.store.promote_requests(now=now, failures_max=failures_max)

    def live(self, object_type: str = "note") -> dict[str, Data]:
        """The live records of a type."""
        rows = self.store.scan_records(self.account_id, object_type, after_key=None, limit=1000)
        return {found.key: parse_object(found.frame) for found in rows if found.frame is not None}
