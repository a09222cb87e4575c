"""What becomes of a sync request, as pure functions: each store loads, asks these, and stores what they answer.

`request_states` has the table of all moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from syncline.storage.errors import BatchInvalid, BatchOutOfOrder, LimitReached, PayloadGone, RequestEnded
from syncline.storage.limits import PAYLOAD_CHUNK_BYTES_MAX, check_text, check_texts
from syncline.storage.request_models import (
    EXTERNAL_CONNECTOR,
    NEVER,
    RESULT_MESSAGE_CHARS_MAX,
    Ending,
    Enrollment,
    NewRequest,
    Operation,
    PayloadState,
    Progress,
    SyncRequest,
)
from syncline.storage.request_states import RequestStatus
from syncline.storage.row_plan import storable_text

_FINAL_BY_ENDING: Final = {
    Ending.SUCCESS: RequestStatus.SUCCESS,
    Ending.FAILED: RequestStatus.FAILED,
    Ending.CANCELLED: RequestStatus.CANCELLED,
}


def check_enrollment(enrollment: Enrollment) -> None:
    """Raise `InvalidValue` if a string of an enrollment cannot be kept."""
    check_text("enrollment_id", enrollment.enrollment_id)
    check_text("name", enrollment.name)
    check_text("connector", enrollment.connector)
    check_text("settings", enrollment.settings)
    check_text("modified_by", enrollment.modified_by)
    check_texts("cursors", (enrollment.read_cursor, enrollment.write_cursor))
    check_text("scheduled_request_id", enrollment.scheduled_request_id)
    if enrollment.schedule is not None:
        check_texts("schedule", (enrollment.schedule.cron, enrollment.schedule.time_zone))


def check_new(new: NewRequest) -> None:
    """Check what needs no look at what is there.

    Raises:
        InvalidValue: a string that cannot be kept.
        LimitReached: a chunk of the payload is too large.
        BatchInvalid: the numbers of a batch are wrong, or it has no parent.
    """
    if any(len(chunk) > PAYLOAD_CHUNK_BYTES_MAX for chunk in new.payload):
        raise LimitReached("bytes in a chunk of a payload", PAYLOAD_CHUNK_BYTES_MAX)
    check_text("request_id", new.request_id)
    check_text("idempotency_key", new.idempotency_key)
    check_text("modified_by", new.by)
    check_texts("references", (new.enrollment_id or "", new.retry_of or ""))
    if new.parent_id is None:
        if new.current_batch is not None or new.total_batches is not None:
            raise BatchInvalid("a batch needs a parent")
        return
    check_text("parent_id", new.parent_id)
    if new.parent_id == new.request_id:
        raise BatchInvalid("a batch cannot be its own parent")
    if not (new.current_batch and new.total_batches and 1 <= new.current_batch <= new.total_batches):
        raise BatchInvalid(f"the number of a batch is from 1 to the total, not {new.current_batch}")


def check_parent(new: NewRequest, parent: SyncRequest, *, is_taken: bool) -> None:
    """Raise `BatchInvalid` unless the batch may be added to the parent; `is_taken`: it has one of this number."""
    if not parent.is_parent:
        raise BatchInvalid("the parent is no request of batches")
    if parent.total_batches != new.total_batches:
        raise BatchInvalid(f"the parent has {parent.total_batches} batches, not {new.total_batches}")
    if (parent.operation, parent.enrollment_id) != (new.operation, new.enrollment_id):
        raise BatchInvalid("the parent has another operation or enrollment")
    if parent.run_full_sync != new.run_full_sync:
        raise BatchInvalid("all batches of a parent are of a full run, or none is")
    if parent.status.is_final:
        raise BatchInvalid("the parent has ended")
    if is_taken:
        raise BatchInvalid(f"the parent has batch {new.current_batch} already")


def check_retried(retried: SyncRequest) -> None:
    """Raise `PayloadGone` if the payload that is to be taken over is not there as a whole."""
    if retried.payload_state in {PayloadState.GOING, PayloadState.GONE}:
        raise PayloadGone(f"the payload of the sync request {retried.request_id} is not kept any more")


def made(new: NewRequest, *, now: int) -> SyncRequest:
    """The request at its beginning."""
    return SyncRequest(
        request_id=new.request_id,
        status=RequestStatus.CONNECTOR if new.due_at <= now else RequestStatus.READY,
        operation=new.operation,
        result_message="",
        failure_count=0,
        run_full_sync=new.run_full_sync,
        enrollment_id=new.enrollment_id,
        created_at=now,
        modified_at=now,
        modified_by=new.by,
        due_at=new.due_at,
        cancel_asked=False,
        progress=Progress(),
        detail_count=0,
        details_left_out=0,
        cursor="",
        lease_until=0,
        worker="",
        parent_id=new.parent_id,
        current_batch=new.current_batch,
        total_batches=new.total_batches,
        retry_of=new.retry_of,
        payload_kind=new.payload_kind,
        payload_state=PayloadState.KEPT if len(new.payload) else PayloadState.NONE,
        trace_context=new.trace_context,
    )


def made_parent(first: NewRequest, parent_id: str, *, now: int) -> SyncRequest:
    """The parent that the first batch to come brings about."""
    return replace(
        made(first, now=now),
        request_id=parent_id,
        status=RequestStatus.READY,
        due_at=NEVER,
        parent_id=None,
        current_batch=None,
        retry_of=None,
        payload_kind="",
        payload_state=PayloadState.NONE,
    )


def is_external(request: SyncRequest, connector: str | None) -> bool:
    """Is a request for workers outside? By its enrollment's connector, None without one, and what it brings.

    What a parent does, nobody outside can do: it is for those who run its batches.
    """
    return connector == EXTERNAL_CONNECTOR and not request.payload_kind and not request.is_parent


def cancelled(request: SyncRequest, *, by: str, now: int) -> SyncRequest:
    """The request once somebody cancels it; one that was cancelled already as it is.

    Raises:
        RequestEnded: it has ended otherwise.
    """
    if request.status is RequestStatus.CANCELLED or (request.cancel_asked and not request.status.is_final):
        return request
    if request.status.is_final:
        raise RequestEnded(f"the request has ended: {request.status.value}")
    if request.status is RequestStatus.IN_PROGRESS:
        return replace(request, cancel_asked=True, modified_at=now, modified_by=by)
    return replace(request, status=RequestStatus.CANCELLED, modified_at=now, modified_by=by)


def promoted(request: SyncRequest, *, now: int) -> SyncRequest:
    """A READY request that is due, on its way to a worker."""
    return replace(request, status=RequestStatus.CONNECTOR, modified_at=now)


def claimed(request: SyncRequest, *, worker: str, lease_us: int, now: int) -> SyncRequest:
    """A CONNECTOR request in a worker's hands."""
    return replace(
        request,
        status=RequestStatus.IN_PROGRESS,
        worker=worker,
        lease_until=now + lease_us,
        attempts=request.attempts + 1,
        modified_at=now,
        modified_by=worker,
    )


def ended(
    request: SyncRequest, ending: Ending, *, message: str, due_at: int, failures_max: int, now: int
) -> SyncRequest:
    """The request once its worker ends the attempt."""
    status, failures = _FINAL_BY_ENDING.get(ending), request.failure_count
    if ending is not Ending.SUCCESS and request.cancel_asked:
        status = RequestStatus.CANCELLED
    elif ending in {Ending.FAILED, Ending.TRY_AGAIN}:
        failures += 1
    if status is None:
        is_last = ending is Ending.TRY_AGAIN and failures >= failures_max
        status = RequestStatus.FAILED if is_last else RequestStatus.READY
    return replace(
        request,
        status=status,
        result_message=cut_message(message),
        failure_count=failures,
        due_at=due_at if status is RequestStatus.READY else request.due_at,
        lease_until=0,
        worker="",
        modified_at=now,
        modified_by=request.worker,
    )


def lapsed(request: SyncRequest, *, failures_max: int, now: int) -> SyncRequest:
    """The request once its lease has run out: a failed attempt."""
    failures = request.failure_count + 1
    if request.cancel_asked:
        status = RequestStatus.CANCELLED
    else:
        status = RequestStatus.FAILED if failures >= failures_max else RequestStatus.READY
    return replace(
        request,
        status=status,
        result_message=cut_message(f"the lease of {request.worker} ran out"),
        failure_count=failures,
        due_at=now if status is RequestStatus.READY else request.due_at,
        lease_until=0,
        worker="",
        modified_at=now,
    )


def seer_of(request: SyncRequest) -> str:
    """Under whose id a request notes the rows that it sees: a batch under its parent's, which sweeps for all of it."""
    return request.parent_id or request.request_id


def others_see_since(request: SyncRequest) -> int:
    """What other requests that were at work at this time or later have brought counts as seen by a full run, too.

    A run in its first attempt has its enrollment to itself. Between attempts and between batches others may run, and
    without an enrollment at any time: what they brought is there, though this run may have passed its place, or lost
    its mark to them. What an open parent has brought counts whenever that was: its batches are not all there yet.
    """
    is_alone = request.enrollment_id is not None and request.attempts == 1 and not request.is_parent
    return NEVER if is_alone else request.created_at


def may_ask_for_others(request: SyncRequest) -> bool:
    """May a full run that is not done yet ask what others brought since it was made? See `others_see_since`."""
    was_alone = request.enrollment_id is not None and request.attempts == 0 and not request.is_parent
    return request.run_full_sync and not request.status.is_final and not was_alone


def parent_ended(parent: SyncRequest, batches: Sequence[RequestStatus], *, by: str, now: int) -> SyncRequest | None:
    """The parent once the last of its batches has ended; None while one is missing or runs, or if it waits no more.

    It ends with them. But that of a full READ which succeeded is due: it is to delete what none of them saw.
    """
    is_waiting = parent.status is RequestStatus.READY and parent.due_at == NEVER
    if not is_waiting or len(batches) != parent.total_batches or not all(one.is_final for one in batches):
        return None
    if RequestStatus.FAILED in batches:
        status = RequestStatus.FAILED
    elif RequestStatus.CANCELLED in batches:
        status = RequestStatus.CANCELLED
    elif parent.run_full_sync and parent.operation is Operation.READ:
        return replace(parent, due_at=now, modified_at=now, modified_by=by)
    else:
        status = RequestStatus.SUCCESS
    succeeded = sum(one is RequestStatus.SUCCESS for one in batches)
    message = f"{succeeded} of {len(batches)} batches succeeded"
    return replace(parent, status=status, result_message=message, modified_at=now, modified_by=by)


def summed(parts: Iterable[Progress]) -> Progress:
    """The progress of a parent, of its batches' and what it did itself."""
    total = Progress()
    for one in parts:
        total = Progress(
            read=total.read + one.read,
            inserted=total.inserted + one.inserted,
            updated=total.updated + one.updated,
            deleted=total.deleted + one.deleted,
            skipped=total.skipped + one.skipped,
            failed=total.failed + one.failed,
            bytes=total.bytes + one.bytes,
            estimate=total.estimate + one.estimate,
        )
    return total


def replaced(before: Enrollment, wanted: Enrollment) -> Enrollment:
    """The enrollment as it is stored in place of another one."""
    is_same_schedule = (before.schedule, before.enabled) == (wanted.schedule, wanted.enabled)
    return replace(
        wanted,
        read_cursor=before.read_cursor,
        write_cursor=before.write_cursor,
        # Else who only changes its name would bring a time back that has been run meanwhile.
        next_run_at=before.next_run_at if is_same_schedule else wanted.next_run_at,
        scheduled_request_id=before.scheduled_request_id,
    )


def is_still_due(stored: Enrollment, due: Enrollment) -> bool:
    """Has nobody run its schedule or changed it since it was found to be due?"""
    return (stored.modified_at, stored.next_run_at) == (due.modified_at, due.next_run_at)


def ran(enrollment: Enrollment, *, next_run_at: int, request: SyncRequest | None) -> Enrollment:
    """The enrollment once its schedule has run; None: no request was made."""
    last = enrollment.scheduled_request_id if request is None else request.request_id
    return replace(enrollment, next_run_at=next_run_at, scheduled_request_id=last)


def moved_on(enrollment: Enrollment, request: SyncRequest) -> Enrollment:
    """The enrollment once a request of it succeeded.

    A request that wrote no batch has no cursor, and that of an uploaded payload is a place in the payload.
    """
    if not request.cursor or request.payload_kind:
        return enrollment
    if request.operation is Operation.READ:
        return replace(enrollment, read_cursor=request.cursor)
    if request.operation is Operation.WRITE:
        return replace(enrollment, write_cursor=request.cursor)
    return enrollment


def is_repeat(number: int, *, last: int) -> bool:
    """Is it the attempt's last batch again? 0 as the last: there was none.

    Raises:
        BatchOutOfOrder: it is neither that nor the next one.
    """
    if number >= 1 and number in {last, last + 1}:
        return number == last
    raise BatchOutOfOrder(f"batch {last + 1} is due, not {number}")


def cut_message(message: str) -> str:
    """The message as it can be kept."""
    return storable_text(message[:RESULT_MESSAGE_CHARS_MAX])
