"""Sync requests: made, listed, cancelled; claimed, written for and ended by workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from syncline.storage.audit_models import Act
from syncline.storage.models import RecordWrite
from syncline.storage.request_models import (
    BatchResult,
    ClaimLimits,
    DetailPage,
    Ending,
    LastRuns,
    Lease,
    NewRequest,
    RequestQuery,
    RowBatch,
    SourceRow,
    Swept,
    SyncRequest,
    TypeCounts,
)
from syncline.storage.upload_models import CurrentRecord


class RowWriter(Protocol):
    """Makes the writes of rows that are new, or that their source has changed.

    It is called inside the transaction while the account's writers wait, and must depend on nothing but its arguments.
    """

    def write(self, row: SourceRow, *, now: int) -> RecordWrite:
        """The row as it came; the record counts as modified `now`."""

    def merge(self, row: SourceRow, known_image: bytes, current: CurrentRecord, *, now: int) -> RecordWrite:
        """The live record with what the source changed since `known_image`, and nothing else.

        So a device's accepted edit of another field stays.
        """


class SyncRequestStore(Protocol):
    """Sync requests as those see them who ask for them."""

    def create_request(self, account_id: str, new: NewRequest, *, now: int, act: Act | None = None) -> SyncRequest:
        """Make a request: CONNECTOR if it is due, else READY; a parent-to-be is made by its first batch.

        A batch (`parent_id` set) makes its parent if that is not there: a READY request of the same operation,
        enrollment, `run_full_sync` and `total_batches`, without payload, which is due `NEVER`, and ends when its last
        batch has: SUCCESS if all of them succeeded, FAILED if one failed, CANCELLED if one was cancelled and none
        failed. But the parent of a full READ whose batches have all succeeded is due then, for one of the server's own
        workers to sweep what none of them saw, and ends with that. Its progress is the sum of theirs and of what it
        swept. A transaction that touches a batch and its parent locks the parent first.

        With an `idempotency_key` that is known, answers the request that was made under it. The act is kept if the
        request is new.

        Raises:
            EnrollmentNotFound: no such enrollment, or it is disabled.
            RequestIdReused: the key is known with another payload hash, or another request has this id.
            RequestNotFound: `retry_of` names none.
            PayloadGone: the payload of the request that `retry_of` names was removed, or is being.
            BatchInvalid: the parent is no parent, is of something else or another total, has ended, or has this batch
                already; or `current_batch` is not from 1 to `total_batches`.
        """

    def get_request(self, account_id: str, request_id: str) -> SyncRequest:
        """One request, or `RequestNotFound`."""

    def list_requests(self, account_id: str, query: RequestQuery) -> list[SyncRequest]:
        """One page; at most `query.limit`, which is at most 500. The fields are those of `REQUEST_FIELDS`."""

    def last_runs(self, account_id: str, enrollment_ids: Sequence[str]) -> dict[str, LastRuns]:
        """The newest request of each of these enrollments, and the newest one that succeeded."""

    def list_details(self, account_id: str, request_id: str, *, after: int, limit: int) -> DetailPage:
        """Details numbered above `after`. Of a parent: none; its batches have them.

        Raises:
            RequestNotFound: no such request.
        """

    def count_types(self, account_id: str, request_id: str) -> dict[str, TypeCounts]:
        """What came of each object type's rows; of a parent, its batches' included. Or `RequestNotFound`."""

    def cancel_request(
        self, account_id: str, request_id: str, *, by: str, now: int, act: Act | None = None
    ) -> SyncRequest:
        """Cancel: READY and CONNECTOR end at once, IN_PROGRESS is marked for its worker to end.

        A parent that waits ends at once, its batches are cancelled, and none can be added. What has been cancelled
        already stays as it is, and its act is not kept.

        Raises:
            RequestNotFound: no such request.
            RequestEnded: it has ended otherwise.
        """


class WorkStore(Protocol):
    """Sync requests as workers see them. Crosses accounts: a worker serves them all."""

    def claim_request(
        self, *, worker: str, limits: ClaimLimits, lease_us: int, now: int, external_of: str | None = None
    ) -> Lease | None:
        """Claim the request that is due for the longest time, if there is one that may run.

        A request is for workers outside if its enrollment's connector is `external` (`EXTERNAL_CONNECTOR`), it brings
        no payload and is no parent; all others are for the server's own. `external_of` names the account whose worker
        outside asks: it gets only such requests, and only of that account. None: one of the server's own workers asks;
        it gets none of them.

        One may run if fewer than `limits.per_account` requests of its account are in progress, and none of its
        enrollment. It becomes IN_PROGRESS under a new token. Two workers never get the same one.
        """

    def promote_requests(self, *, now: int, failures_max: int) -> int:
        """Make READY requests that are due CONNECTOR, and take back what was leased and ran out; answer how many moved.

        What ran out counts as a failed attempt: CANCELLED if that was asked, else READY and due now, or FAILED after
        `failures_max` failures.
        """

    def next_due(self) -> int | None:
        """When the next READY request is due or the next lease runs out; None: none will, but parents may wait."""

    def renew_lease(self, lease: Lease, *, lease_us: int, now: int) -> BatchResult:
        """Keep the lease, or `LeaseLost`."""

    def write_batch(self, lease: Lease, batch: RowBatch, writer: RowWriter, *, lease_us: int) -> BatchResult:
        """Write rows, details, cursor and progress, and keep the lease: one transaction (G3, G11).

        It begins by advancing the account's head, as every write does; every read that decides comes later.

        A row's identity is (enrollment, object type, source key), kept apart from the record's key; requests without
        enrollment share an identity of their own. For each row, in order:

        - The source hash and the record key are the known ones: skipped. It writes nothing, wakes nobody, and never
          reverts what a device changed since.
        - No live record has its key: it is inserted. So is a row that changed after its record was deleted here.
        - `OnMatch.SKIP`: skipped, with a detail. `OnMatch.ERROR`: failed, with a detail.
        - The source is known, by the same record key: `writer.merge` makes the write. Otherwise `writer.write` does.
          It counts as updated, or as skipped if the record already was like it.
        - A known source that comes with another record key leaves the old record, as if it were one of `deleted_keys`.

        Deleted keys delete the record if this was its last source, and forget the source. In a full run, every row
        that comes, skipped or not, is noted as seen by this request, or by its parent if it is a batch; in a delta run,
        every source that is stored.

        `number` must be one above that of the attempt's last batch; the number of the last batch itself repeats it:
        nothing is done, and the answer tells of the request as it stands.

        Raises:
            LeaseLost: another token holds the request, or it is not IN_PROGRESS. Nothing is written.
            BatchOutOfOrder: another number was due. Nothing is written.
            ObjectTypeNotFound: nothing is written.
            LimitReached: more rows than 5,000, or a frame too large.
        """

    def count_unseen(self, lease: Lease, object_types: Sequence[str]) -> tuple[int, int]:
        """How many sources of these types this request has not seen, and how many its enrollment has of them in all.

        What another request has brought while this one was not done counts as seen, unless it was before the first
        attempt at a request of an enrollment: that one reads all of it anew. A parent has seen what its batches saw; it
        is not done from its first batch on. What a parent has brought that has not ended counts as seen by everybody.

        Raises:
            LeaseLost: as `write_batch`.
        """

    def sweep_unseen(self, lease: Lease, object_types: Sequence[str], *, limit: int, lease_us: int, now: int) -> Swept:
        """Delete the records of up to `limit` sources that `count_unseen` counts, forget the sources, keep the lease.

        Only its own enrollment's, and only records whose last source this was.

        Raises:
            LeaseLost: as `write_batch`.
        """

    def end_request(
        self,
        lease: Lease,
        ending: Ending,
        *,
        message: str,
        due_at: int,
        failures_max: int,
        now: int,
    ) -> SyncRequest:
        """End the attempt, and the request unless `TRY_AGAIN` or `GIVEN_BACK` leaves it another one.

        SUCCESS moves the enrollment's cursor on to the request's, unless that is empty or a place in a payload. If
        cancelling was asked, anything but SUCCESS is CANCELLED. `TRY_AGAIN` counts a failure, and is FAILED after
        `failures_max` of them; `GIVEN_BACK` counts none. The last batch to end ends its parent, or makes it due.

        Raises:
            LeaseLost: as `write_batch`.
        """

    def read_payload(self, account_id: str, request_id: str, *, after: int) -> tuple[int, bytes] | None:
        """The request's first chunk numbered above `after`, from 1, with its number; None: there are no more."""

    def known_sources(
        self, account_id: str, enrollment_id: str | None, object_type: str, source_keys: Sequence[str]
    ) -> Mapping[str, bytes]:
        """The source hash of each of these keys that is known."""
