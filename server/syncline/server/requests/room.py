"""Whether there is room for the rows of a run: an account may have only so many records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from syncline.server.requests.attempt import Attempt, RunFailed
from syncline.server.requests.result_messages import written_message
from syncline.storage.request_models import SourceRow


def check_room(attempt: Attempt, rows: Sequence[SourceRow]) -> None:
    """Let a batch in if it makes no more new records than there is room for. What changes a record needs none.

    It is a look beforehand: those who write at the same time may exceed the limit by a batch each.

    Raises:
        RunFailed: it would make more; the message says what was written before.
    """
    room = attempt.limits.room(attempt.account_id, len(rows))
    if room == len(rows):
        return
    # Only now is it worth a look which rows are new.
    new = _count_new(attempt, rows)
    if new > room:
        why = (
            f"the account may have {attempt.limits.records_rule}, and the next rows would make {new - room:,} too many"
        )
        raise RunFailed(written_message(why, attempt.held.progress))


def _count_new(attempt: Attempt, rows: Sequence[SourceRow]) -> int:
    """How many records the rows would make."""
    store, account_id = attempt.store, attempt.account_id
    of_types: dict[str, list[SourceRow]] = defaultdict(list)
    for row in rows:
        of_types[row.object_type].append(row)
    count = 0
    for object_type, same in of_types.items():
        keys = [row.source_key for row in same]
        known = store.known_sources(account_id, attempt.request.enrollment_id, object_type, keys)
        changed = {row.record_key for row in same if known.get(row.source_key) != row.source_hash}
        found = store.get_records(account_id, object_type, sorted(changed))
        count += len(changed) - sum(record.frame is not None for record in found)
    return count
