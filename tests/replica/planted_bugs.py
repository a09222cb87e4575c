"""Devices with one bug each, planted where the real code is. Each stands for a mistake that is easily made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from syncline.data.canonical import canonical_text
from syncline.data.changes import Verdict, apply_edits
from syncline.replica import change_log, numbering, objects, outbox, overlay, uploader
from syncline.replica.change_log import LocalChange, LocalOperation, read_changes
from syncline.replica.roll_back import RolledBack, roll_back
from syncline.replica.tables import base_table
from syncline.replica.uploader import Uploader
from syncline.replica.verdicts import Decided, store_answers
from syncline.v1 import upload_pb2


def stale_roll_back(patch: pytest.MonkeyPatch) -> None:
    """A roll back puts back what the record was when the change was made, not what the server told of since."""

    def with_the_old_image(connection: sqlite3.Connection, *arguments: Any, **options: Any) -> RolledBack:
        before = read_changes(connection)
        result = roll_back(connection, *arguments, **options)
        left = {change.change_no for change in read_changes(connection)}
        for change in reversed(before):
            if change.change_no not in left and change.operation is LocalOperation.UPDATE:
                _put_back(connection, change)
        return result

    patch.setattr(objects, "roll_back", with_the_old_image)


def _put_back(connection: sqlite3.Connection, change: LocalChange) -> None:
    """Give the fields of an update their old values, in the base."""
    base = overlay.read_base(connection, *change.record)
    if base is not None:
        old = apply_edits(json.loads(base.data), [edit._replace(new=edit.old) for edit in change.edits])
        connection.execute(
            f"UPDATE {base_table(change.object_type)} SET _data = ? WHERE _key = ?",
            (overlay.canonical(old), change.key),
        )
        overlay.refresh(connection, change.object_type, [change.key])


def overlay_dropped_at_the_verdict(patch: pytest.MonkeyPatch) -> None:
    """A change goes with its verdict: until the page comes, the view shows the old base again."""

    def dropping(connection: sqlite3.Connection, *arguments: Any) -> list[Decided]:
        decided = store_answers(connection, *arguments)
        settled = read_changes(connection, "state = 'settled'")
        change_log.delete_changes(connection, [change.change_no for change in settled])
        for change in settled:
            overlay.refresh(connection, change.object_type, [change.key])
        return decided

    patch.setattr(uploader, "store_answers", dropping)


def settled_before_it_is_stored(patch: pytest.MonkeyPatch) -> None:
    """The server is told that verdicts are settled as they come in, one message before they are stored."""
    store, run, settled_through = Uploader._store, Uploader._upload_stream, numbering.settled_through
    late: list[tuple[Any, ...]] = []
    received = [0]

    def store_late(self: Uploader, answers: Sequence[upload_pb2.ChangeAnswer], *rest: Any) -> Mapping[Verdict, int]:
        received[0] = max([received[0], *(answer.change_seq for answer in answers)])
        late.append((answers, *rest))
        if len(late) > 1:
            return store(self, *late.pop(0))
        return {}

    def run_and_store(self: Uploader, store_epoch: str) -> None:
        late.clear()
        received[0] = 0
        run(self, store_epoch)
        while late:
            store(self, *late.pop(0))

    patch.setattr(Uploader, "_store", store_late)
    patch.setattr(Uploader, "_upload_stream", run_and_store)
    patch.setattr(numbering, "settled_through", lambda connection: max(received[0], settled_through(connection)))


def frozen_bytes_encoded_again(patch: pytest.MonkeyPatch) -> None:
    """What is sent again says what the record is by now, not what was sent before."""
    repeat = outbox._repeat

    def encode_again(connection: sqlite3.Connection, *arguments: Any) -> bool:
        for change in read_changes(connection, "state = 'sent'"):
            row = overlay.read_row(connection, *change.record)
            if row is not None and change.sent is not None:
                message = upload_pb2.Change.FromString(change.sent)
                if message.HasField("data"):
                    message.data = row.data.encode()
                for edit in message.edits:
                    edit.new_value = canonical_text(row.record.get(edit.name)).encode()
                connection.execute(
                    "UPDATE syncline_change SET sent = ? WHERE change_no = ?",
                    (message.SerializeToString(deterministic=True), change.change_no),
                )
        return repeat(connection, *arguments)

    patch.setattr(outbox, "_repeat", encode_again)


def held_taken_for_a_verdict(patch: pytest.MonkeyPatch) -> None:
    """What the server held back counts as done."""

    def done(connection: sqlite3.Connection, schema: Any, answers: Sequence[upload_pb2.ChangeAnswer]) -> list[Decided]:
        for answer in answers:
            if answer.verdict == upload_pb2.VERDICT_HELD:
                answer.verdict = upload_pb2.VERDICT_APPLIED
        return store_answers(connection, schema, answers)

    patch.setattr(uploader, "store_answers", done)
