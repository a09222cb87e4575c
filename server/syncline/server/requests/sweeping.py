"""After a full run: what the source no longer has is deleted.

Only rows that this enrollment brought are looked at, and of those only object types that can be told about:

- an enrollment's connector reads all of it, so all object types; a payload is all there is of the types it has rows of,
  and so are those of a parent's batches together;
- a type with rows that failed is left alone: a row that could not be taken is not gone.

A batch of a parent deletes nothing: what the other batches have is known of none of them. Once all of them have
succeeded, their parent is run itself, and does nothing but sweep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from syncline.data.schema import Schema
from syncline.server.requests.attempt import RunFailed
from syncline.server.requests.holding import HeldRequest
from syncline.server.requests.result_messages import counts_message, written_message
from syncline.server.requests.run_settings import RunSettings
from syncline.storage import Store
from syncline.storage.request_models import SyncRequest, TypeCounts

_SWEEP_ROWS: Final = 1_000
"""Sources of one transaction."""
_GUARDED_FROM: Final = 10
"""A smaller set of sources is not guarded: of three rows, one is a third."""


@dataclass(frozen=True, slots=True)
class FullRun:
    """A full run that has read to the end, by a worker of the server or one outside; or a parent whose batches have."""

    store: Store
    held: HeldRequest
    request: SyncRequest
    schema: Schema
    settings: RunSettings


def sweep(run: FullRun) -> str:
    """Delete what the run did not see; answers what is to be added to the result message, mostly nothing.

    Raises:
        RunFailed: it would be more than `delete_limit` allows; nothing is deleted.
        RunStopped, LeaseLost: as `reading.read`.
    """
    if run.request.parent_id is not None:
        return ""
    held = run.held
    object_types, left_alone = _swept_types(run)
    unseen, known = held.count_unseen(object_types) if object_types else (0, 0)
    _guard(run, unseen, known)
    while unseen:
        held.check()
        unseen = held.sweep(object_types, limit=_SWEEP_ROWS)
    return f"; nothing was looked for to delete of {', '.join(left_alone)}, as rows failed" if left_alone else ""


def sweep_batches(run: FullRun) -> str:
    """The run of a parent: delete what none of its batches saw; answers the result message.

    Raises:
        RunFailed, RunStopped, LeaseLost: as `sweep`.
    """
    note = sweep(run)
    return counts_message(run.held.progress) + note


def _guard(run: FullRun, unseen: int, known: int) -> None:
    limit = run.settings.delete_limit
    if known >= _GUARDED_FROM and unseen > limit * known:
        what = f"{unseen:,} of {known:,} rows would be deleted, more than delete_limit allows: {limit:.0%}"
        raise RunFailed(written_message(what, run.held.progress))


def _swept_types(run: FullRun) -> tuple[list[str], list[str]]:
    """The object types to sweep, and those that would be swept if none of their rows had failed."""
    counts = run.store.count_types(run.held.lease.account_id, run.request.request_id)
    names = [kind.name for kind in run.schema.object_types]
    if run.request.payload_kind or run.request.is_parent:
        names = [name for name in names if any(counts.get(name, TypeCounts()))]
    if _failed(counts, ""):  # rows of which not even the type is known
        return [], names
    return [name for name in names if not _failed(counts, name)], [name for name in names if _failed(counts, name)]


def _failed(counts: dict[str, TypeCounts], object_type: str) -> int:
    return counts.get(object_type, TypeCounts()).failed
