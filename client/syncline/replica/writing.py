"""Local writes: each is checked, logged and shown, or refused with nothing done."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from syncline.data.changes import Edit
from syncline.data.schema import ObjectType, Schema
from syncline.replica.change_log import (
    ChangeState,
    LocalChange,
    LocalOperation,
    changes_of,
    delete_changes,
    insert_change,
    next_transaction_no,
)
from syncline.replica.connection import check_in_transaction
from syncline.replica.errors import (
    AwaitingVerdict,
    DeferredRecord,
    KeyTaken,
    RecordNotFound,
    TransactionSpansScopes,
    TransactionTooLarge,
    translated,
)
from syncline.replica.merging import merge_transaction, merge_within
from syncline.replica.overlay import BaseRow, Sight, ViewRow, lay_over, look, read_base, read_row, refresh, show
from syncline.replica.validation import TypeRules
from syncline.replica.write_rules import WriteRules

TRANSACTION_CHANGES_MAX = 1_000
TRANSACTION_BYTES_MAX = 8 * 1024 * 1024 - 64 * 1024
"""What one message takes, with something left for its own parts."""

_CHANGE_BYTES = 200
"""What a change takes in a message besides its texts, at most."""


class LocalWriter:
    """Makes the changes of one local transaction. `LocalDatabase.transaction` gives one.

    Each method does all of what it is to do, or raises and has done nothing. The errors that any of them may raise:

    Raises:
        UnknownObjectType: the schema has no such object type.
        NotSynchronised: the object type was at no checkpoint yet.
        ReadOnlyType: devices may not change its records.
        DeferredRecord: the record has deferred changes, and this one is not to be deferred.
        StorageFailed: the file cannot be written. The whole transaction is undone.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        schema: Schema,
        transaction_no: int | None = None,
        *,
        as_one: bool = True,
        rules: dict[str, TypeRules] | None = None,
    ) -> None:
        """Begin with a transaction number that is given, or taken with the first change.

        Unless `as_one`, what each call writes is a transaction of its own for the server; locally all of it is one.
        `rules` keeps what was prepared of the schema; several writers of one schema may share it.
        """
        self._connection = connection
        self._as_one = as_one
        self._logged = 0
        """How many changes were logged, be they undone since."""
        self._may_merge = False
        """One of them may merge into an earlier one."""
        self._schema = schema
        self._transaction_no = transaction_no
        self._rules = WriteRules(connection, schema, {} if rules is None else rules)

    @property
    def has_changes(self) -> bool:
        """Was a change made with this transaction's number?"""
        return self._transaction_no is not None

    def undo_part(self, *, had_changes: bool) -> None:
        """Note that SQLite went back to a point of the transaction at which `has_changes` said this.

        A number that was taken since then was given back, and must not be used.
        """
        if not had_changes:
            self._transaction_no = None
        self._rules.undo_part()

    @property
    def transaction_no(self) -> int:
        """The number that the changes of this local transaction share."""
        if self._transaction_no is None:
            self._transaction_no = next_transaction_no(self._connection)
        return self._transaction_no

    @translated()
    def create(
        self,
        object_type: str,
        data: Mapping[str, Any],
        *,
        key: str | None = None,
        bucket: str = "",
        upload: bool = True,
    ) -> str:
        """Create a record, and say its key: that of its key fields, or the one given, or a new UUID.

        Raises:
            ValidationFailed: the data break a rule of the object type.
            KeyTaken: there is such a record.
            ParentMissing: a required relationship refers to no record.
        """
        self._begin_call()
        rules = self._rules.of(object_type)
        rules.check_writable(key or "")
        record = rules.new_record(data, key)
        key = rules.new_key(record, key)
        text = rules.canonical(key, record)
        rules.check_bucket(key, bucket)
        sight = look(self._connection, object_type, key)
        if sight.row is not None:
            raise KeyTaken(object_type, key, "", "there is a record with this key already")
        _check_deferral(object_type, key, sight, upload=upload)
        self._rules.check_parents(rules.kind, key, record, record)
        row = ViewRow(key, bucket, sight.base.revision if sight.base is not None else 0, text)
        self._log(rules.kind, row, sight.base, LocalOperation.INSERT, _state(upload=upload), data=text)
        show(self._connection, object_type, key, bucket, row.revision, text)
        return key

    @translated()
    def update(self, object_type: str, key: str, changes: Mapping[str, Any], *, upload: bool = True) -> bool:
        """Change fields of a record; None removes one. False: the record has these values already.

        Raises:
            ValidationFailed: the record would break a rule of the object type, or a key field would change.
            RecordNotFound: there is no such record.
            ParentMissing: a required relationship would refer to no record.
        """
        self._begin_call()
        rules = self._rules.of(object_type)
        rules.check_writable(key)
        sight = look(self._connection, object_type, key)
        row = sight.row or _not_found(object_type, key)
        old = row.record
        new = rules.changed_record(key, old, changes)
        edits = rules.edits(key, old, new, changes)
        if not edits:
            return False
        text = rules.canonical(key, new)
        _check_deferral(object_type, key, sight, upload=upload)
        self._rules.check_parents(rules.kind, key, new, {edit.name: None for edit in edits})
        state = _state(upload=upload)
        if self._merge(rules.kind, key, edits, state):
            refresh(self._connection, object_type, [key])
        else:
            self._log(rules.kind, row, sight.base, LocalOperation.UPDATE, state, edits=edits)
            show(self._connection, object_type, key, row.bucket, row.revision, text)
        return True

    @translated()
    def delete(self, object_type: str, key: str, *, upload: bool = True) -> int:
        """Delete a record, and by CASCADE those that refer to it, children first. How many records went.

        Raises:
            RecordNotFound: there is no such record.
            ChildrenExist: others refer to it by RESTRICT.
        """
        self._begin_call()
        self._rules.of(object_type).check_writable(key)
        if read_row(self._connection, object_type, key) is None:
            _not_found(object_type, key)
        order = self._rules.with_cascade(object_type, key)
        sights = {record: look(self._connection, *record) for record in order}
        for (each_type, each_key), sight in sights.items():
            rules = self._rules.of(each_type)
            rules.check_writable(each_key)
            _check_deferral(each_type, each_key, sight, upload=upload)
            self._rules.check_restrict(rules, each_key, sights)
        for (each_type, _), sight in sights.items():
            if sight.row is not None:
                self._delete_one(self._rules.of(each_type).kind, sight.row, sight.base, upload=upload)
        return len(order)

    @translated()
    def hide(self, object_type: str, key: str) -> int:
        """Remove a record from this device only, and by CASCADE those that refer to it. How many records went.

        Their unsent changes are discarded. A record comes back when the server has a newer state of it.

        Raises:
            RecordNotFound: there is no such record.
            AwaitingVerdict: a change of it was sent, and its verdict is not known.
        """
        self._rules.of(object_type)
        if read_row(self._connection, object_type, key) is None:
            _not_found(object_type, key)
        order = self._rules.with_cascade(object_type, key)
        logs = {record: changes_of(self._connection, *record) for record in order}
        for record, changes in logs.items():
            if any(change.state is ChangeState.SENT for change in changes):
                raise AwaitingVerdict(*record, "", "a change of it was sent: synchronise before it is removed here")
        for (each_type, each_key), changes in logs.items():
            row = read_row(self._connection, each_type, each_key)
            delete_changes(self._connection, (change.change_no for change in changes if change.unsent))
            if row is not None:
                self._hide_one(self._rules.of(each_type).kind, row, [each for each in changes if not each.unsent])
        return len(order)

    @translated()
    def finish(self) -> None:
        """Complete the transaction, before it is committed. `LocalDatabase` does.

        Raises:
            TransactionSpansScopes: its changes are of several scopes.
            TransactionTooLarge: it has more changes than can be sent as one.
        """
        check_in_transaction(self._connection)
        if self._transaction_no is None:
            return
        count, scopes, size = self._connection.execute(
            """SELECT count(*), count(DISTINCT scope), total(
                    length(CAST(coalesce(data, edits, '') AS BLOB)) + length(CAST(key AS BLOB)))
                FROM syncline_change WHERE transaction_no = ? AND state <> 'hidden'""",
            (self._transaction_no,),
        ).fetchone()
        if scopes > 1:
            raise TransactionSpansScopes(
                "the changes of one transaction must be of one scope, since scopes are synchronised separately"
            )
        if count > TRANSACTION_CHANGES_MAX:
            raise TransactionTooLarge(f"the transaction has {count:,} changes; at most {TRANSACTION_CHANGES_MAX:,}")
        size = int(size) + count * _CHANGE_BYTES
        if size > TRANSACTION_BYTES_MAX:
            raise TransactionTooLarge(f"the transaction has {size:,} bytes; at most {TRANSACTION_BYTES_MAX:,} are sent")
        if count == 1:
            merge_transaction(self._connection, self._schema, self._transaction_no)

    def _begin_call(self) -> None:
        """What follows belongs with what was written before, or else is a transaction of its own."""
        if self._as_one or self._transaction_no is None:
            return
        if self._logged != 1 or self._may_merge:  # one change that merges with none is within all limits
            self.finish()
        self._transaction_no = None
        self._logged = 0
        self._may_merge = False

    def _delete_one(self, kind: ObjectType, row: ViewRow, base: BaseRow | None, *, upload: bool) -> None:
        changes = changes_of(self._connection, kind.name, row.key)
        tail = self._without_trace(changes, base.data if base is not None else None)
        if tail:
            delete_changes(self._connection, (change.change_no for change in tail))
            refresh(self._connection, kind.name, [row.key])
            return
        self._log(kind, row, base, LocalOperation.DELETE, _state(upload=upload), deleted=row.data)
        show(self._connection, kind.name, row.key, row.bucket, row.revision, None)

    def _without_trace(self, changes: Sequence[LocalChange], base: str | None) -> Sequence[LocalChange]:
        """The changes since a record was created here, if it can go with them as if it had never been; else none.

        That is so if none of them was sent, none belongs with others to another transaction, and without them there is
        no record.
        """
        created = next(
            (at for at in reversed(range(len(changes))) if changes[at].operation is LocalOperation.INSERT), None
        )
        if created is None:
            return ()
        tail = changes[created:]
        if not all(change.unsent for change in tail) or lay_over(base, changes[:created]) is not None:
            return ()
        own = {change.change_no for change in tail}
        return tail if all(self._stands_alone(change, own) for change in tail) else ()

    def _stands_alone(self, change: LocalChange, own: set[int]) -> bool:
        """Are all changes of its transaction among these, or is it the transaction at hand?"""
        if change.transaction_no == self._transaction_no:
            return True
        members = self._connection.execute(
            "SELECT change_no FROM syncline_change WHERE transaction_no = ?", (change.transaction_no,)
        )
        return all(number in own for (number,) in members)

    def _hide_one(self, kind: ObjectType, row: ViewRow, left: Sequence[LocalChange]) -> None:
        base = read_base(self._connection, kind.name, row.key)
        if lay_over(base.data if base is not None else None, left) is not None:
            (epoch,) = self._connection.execute(
                "SELECT coalesce((SELECT value FROM syncline_meta WHERE name = 'store_epoch'), '')"
            ).fetchone()
            known = (base.store_epoch, base.revision) if base is not None else (epoch, 0)
            # What a verdict has told, and the base does not show yet, will be nothing new when it comes.
            told = max((change.verdict_revision or 0 for change in left), default=0)
            if told and (known[0] != epoch or known[1] < told):
                known = (epoch, told)
            insert_change(
                self._connection,
                object_type=kind.name,
                key=row.key,
                scope=kind.scope,
                bucket=row.bucket,
                operation=LocalOperation.HIDE,
                deleted_data=row.data,
                transaction_no=self.transaction_no,
                state=ChangeState.HIDDEN,
                base_revision=known[1],
                base_epoch=known[0],
            )
        refresh(self._connection, kind.name, [row.key])

    def _merge(self, kind: ObjectType, key: str, edits: Sequence[Edit], state: ChangeState) -> bool:
        if not kind.merge_unsent_updates or self._transaction_no is None:
            return False
        return merge_within(self._connection, self._transaction_no, (kind.name, key), edits, state)

    def _log(
        self,
        kind: ObjectType,
        row: ViewRow,
        base: BaseRow | None,
        operation: LocalOperation,
        state: ChangeState,
        *,
        data: str | None = None,
        edits: Iterable[Edit] = (),
        deleted: str | None = None,
    ) -> None:
        """Add a change of a record to the log."""
        self._logged += 1
        self._may_merge = self._may_merge or (operation is LocalOperation.UPDATE and kind.merge_unsent_updates)
        insert_change(
            self._connection,
            object_type=kind.name,
            key=row.key,
            scope=kind.scope,
            bucket=row.bucket,
            operation=operation,
            data=data,
            edits=edits,
            deleted_data=deleted,
            transaction_no=self.transaction_no,
            state=state,
            base_revision=base.revision if base is not None else 0,
            base_epoch=base.store_epoch if base is not None else "",
        )


def _check_deferral(object_type: str, key: str, sight: Sight, *, upload: bool) -> None:
    if upload and sight.deferred:
        rule = "it has deferred changes: change it with upload=False, too, or mark it for upload first"
        raise DeferredRecord(object_type, key, "", rule)


def _not_found(object_type: str, key: str) -> NoReturn:
    raise RecordNotFound(object_type, key, "", "there is no such record")


def _state(*, upload: bool) -> ChangeState:
    return ChangeState.PENDING if upload else ChangeState.DEFERRED
