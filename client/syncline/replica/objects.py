"""The records of one object type, as an app reads and writes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from syncline.data.schema import ObjectType, Schema
from syncline.replica import pending, queries
from syncline.replica.change_log import ChangeState
from syncline.replica.errors import ChildrenExist, translated
from syncline.replica.local_database import LocalDatabase
from syncline.replica.marking import mark_for_upload
from syncline.replica.overlay import read_row
from syncline.replica.pending import PendingInstance
from syncline.replica.queries import Record, Selection
from syncline.replica.reading import ReadConnections, schema_of, visible
from syncline.replica.record_pk import PrimaryKey, key_of_pk
from syncline.replica.roll_back import RolledBack, resend, roll_back, undo_last
from syncline.replica.where import Parameters
from syncline.replica.writing import LocalWriter


class _View(NamedTuple):
    """What a call works on: a connection, and the object type by the schema that it sees."""

    connection: sqlite3.Connection
    schema: Schema
    kind: ObjectType


class Objects:
    """The records of one object type. `Replica.objects` gives one; it may be kept, and any thread may use it.

    Reads see the server's newest state known with the app's own changes over it: what is committed, also while a
    synchronisation runs; inside a `Replica.transaction` of the same thread what was written in it, too. Each write is
    one local transaction, or a part of the `Replica.transaction` that it is called in: it does all of what it says or,
    if it raises, nothing.

    A *pk* is a record's key, or the value of its one key field, or those of several, in the schema's order or by name.
    A *where* is an SQL expression over the columns `_key`, `_bucket`, `_revision` and the fields; values are bound to
    its `?` or `:name`, never pasted into it. An empty one holds of every record.

    Raises:
        UnknownObjectType: by every method: the schema has no such object type.
        NotSynchronised: by every method: the object type was not at a checkpoint on this device yet.
        StorageFailed: by every method: the file cannot be read or written.
        ValidationFailed: by every method that takes one: a pk cannot be one of this object type.
        WhereInvalid: by every method that takes one: a where, an order, a limit or an offset makes no sense.
    """

    def __init__(self, name: str, local: LocalDatabase, readers: ReadConnections) -> None:
        """Use `Replica.objects`."""
        self._name = name
        self._local = local
        self._readers = readers

    @property
    def name(self) -> str:
        """Name of the object type."""
        return self._name

    # Writing

    def create(self, data: Mapping[str, Any], *, key: str | None = None, bucket: str = "", upload: bool = True) -> str:
        """Create a record, and say its key.

        Args:
            data: Its fields. None counts as absent.
            key: The key, for an object type without a primary key. Unset: a new UUID.
            bucket: The bucket to create it in.
            upload: False: it is deferred, and stays on the device until it is marked for upload.

        Raises:
            ValidationFailed: the data break a rule of the object type.
            KeyTaken: there is a record with this key.
            ParentMissing: a required relationship refers to no record.
            ReadOnlyType: devices may not change records of this object type.
            DeferredRecord: the record that was here has deferred changes, and this one is not to be deferred.
        """
        with self._local.transaction() as writer:
            return writer.create(self._name, data, key=key, bucket=bucket, upload=upload)

    def create_all(self, records: Iterable[Mapping[str, Any]], *, bucket: str = "", upload: bool = True) -> list[str]:
        """Create records: all of them, or none. Their keys, in the order given.

        The server decides about each for itself, unless this is done inside `Replica.transaction`.

        Raises:
            ReplicaError: as `create`.
        """
        with self._local.transaction(as_one=False) as writer:
            return [writer.create(self._name, data, bucket=bucket, upload=upload) for data in records]

    def update_by_pk(self, pk: PrimaryKey, changes: Mapping[str, Any], *, upload: bool = True) -> int:
        """Change fields of a record; None removes one. 1; or 0 if the record has these values already.

        Raises:
            ValidationFailed: the record would break a rule of its object type, or a key field would change.
            RecordNotFound: there is no such record.
            ParentMissing: a required relationship would refer to no record.
            ReadOnlyType: devices may not change records of this object type.
            DeferredRecord: the record has deferred changes, and this one is not to be deferred.
        """
        with self._writing() as (writer, view):
            return int(writer.update(self._name, key_of_pk(view.kind, pk), changes, upload=upload))

    def update(self, where: str, parameters: Parameters, changes: Mapping[str, Any], *, upload: bool = True) -> int:
        """Change fields of all records of which the condition holds: of all, or of none. How many changed.

        The server decides about each for itself, unless this is done inside `Replica.transaction`.

        Raises:
            ReplicaError: as `update_by_pk`.
        """
        return self.update_all([(where, parameters, changes)], upload=upload)

    def update_all(self, updates: Iterable[tuple[str, Parameters, Mapping[str, Any]]], *, upload: bool = True) -> int:
        """Do several updates (where, parameters, changes) one after the other: all, or none. How many changed.

        Raises:
            ReplicaError: as `update`.
        """
        with self._writing() as (writer, view):
            return sum(
                writer.update(self._name, key, changes, upload=upload)
                for where, parameters, changes in updates
                for key in queries.read_keys(view.connection, view.kind, where, parameters)
            )

    def delete_by_pk(self, pk: PrimaryKey, *, upload: bool = True) -> int:
        """Delete a record and, by CASCADE, those that refer to it. How many went.

        Raises:
            RecordNotFound: there is no such record.
            ChildrenExist: others refer to it by RESTRICT.
            ReadOnlyType: devices may not change records of this object type.
            DeferredRecord: the record has deferred changes, and this one is not to be deferred.
        """
        with self._writing() as (writer, view):
            return writer.delete(self._name, key_of_pk(view.kind, pk), upload=upload)

    def remove(self, where: str, parameters: Parameters = (), *, upload: bool = True) -> int:
        """Delete all records of which the condition holds and, by CASCADE, those that refer to them. How many went.

        All go, or none. The server decides about each for itself, with what went by CASCADE, unless this is done inside
        `Replica.transaction`.

        Raises:
            ReplicaError: as `delete_by_pk`.
        """
        with self._writing() as (writer, view):
            keys = queries.read_keys(view.connection, view.kind, where, parameters)
            gone = 0
            while keys:
                left: list[str] = []
                for key in keys:
                    if read_row(view.connection, self._name, key) is None:
                        continue  # it went with another one
                    try:
                        gone += writer.delete(self._name, key, upload=upload)
                    except ChildrenExist:
                        # Those that refer to it may be among those to go.
                        if len(left) + 1 == len(keys):
                            raise
                        left.append(key)
                keys = left
            return gone

    def remove_device_instance_by_pk(self, pk: PrimaryKey) -> int:
        """Remove a record from this device only and, by CASCADE, those that refer to it. How many went.

        Their unsent changes are discarded; nothing is uploaded. A record comes back when the server has a newer
        state of it.

        Raises:
            RecordNotFound: there is no such record.
            AwaitingVerdict: a change of it was sent, and its verdict is not known.
        """
        with self._writing() as (writer, view):
            return writer.hide(self._name, key_of_pk(view.kind, pk))

    def remove_device_instance(self, where: str, parameters: Parameters = ()) -> int:
        """Remove all records of which the condition holds, as `remove_device_instance_by_pk`. How many went."""
        with self._writing() as (writer, view):
            return sum(
                writer.hide(self._name, key)
                for key in queries.read_keys(view.connection, view.kind, where, parameters)
                if read_row(view.connection, self._name, key) is not None
            )

    # Reading

    def get_all(self, *, order_by: Sequence[str] = (), limit: int | None = None, offset: int = 0) -> list[Record]:
        """All records.

        Args:
            order_by: Names of fields, or of `_key`, `_bucket` and `_revision`; with a `-` before it: descending.
                Records that are equal in all of them come by key.
            limit: At most so many.
            offset: Without the first so many.
        """
        return self.find(order_by=order_by, limit=limit, offset=offset)

    def get_all_details_by_pk(self, pk: PrimaryKey) -> Record | None:
        """One record; None: there is none."""
        with self._reading() as view:
            return queries.read_record(view.connection, view.kind, key_of_pk(view.kind, pk))

    def find(
        self,
        where: str = "",
        parameters: Parameters = (),
        *,
        order_by: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        """The records of which the condition holds; the other arguments as for `get_all`."""
        with self._reading() as view:
            selection = Selection(where, parameters, order_by, limit, offset)
            return queries.read_records(view.connection, view.kind, selection)

    def count(self, where: str = "", parameters: Parameters = ()) -> int:
        """How many records there are of which the condition holds."""
        with self._reading() as view:
            return queries.count_records(view.connection, view.kind, where, parameters)

    def related(self, pk: PrimaryKey, relationship: str) -> list[Record]:
        """The records that belong to one by a relationship, by key.

        Args:
            pk: The one.
            relationship: A relationship of this object type: the parent, or nothing. Or one of another type with this
                as its parent, as `type.relationship` or, if there is only one, `type`: the children.

        Raises:
            UnknownRelationship: no relationship goes by this name, or several do.
            RecordNotFound: there is no record with this pk.
        """
        with self._reading() as view:
            kind, keys = queries.related_keys(
                view.connection, view.schema, view.kind, key_of_pk(view.kind, pk), relationship
            )
            return queries.read_by_keys(view.connection, kind, keys)

    def count_related(self, pk: PrimaryKey, relationship: str) -> int:
        """How many `related` gives.

        Raises:
            UnknownRelationship: no relationship goes by this name, or several do.
            RecordNotFound: there is no record with this pk.
        """
        with self._reading() as view:
            _, keys = queries.related_keys(
                view.connection, view.schema, view.kind, key_of_pk(view.kind, pk), relationship
            )
            return len(keys)

    # Changes that are not on the server yet

    def get_pending_upload(self, where: str = "", parameters: Parameters = ()) -> list[PendingInstance]:
        """The changes that wait for upload, deletes included, in the order made.

        The condition is about the record as the app sees it, and about what was deleted if it is no more.
        """
        return self._instances(ChangeState.PENDING, where, parameters)

    def get_pending_acknowledgement(self) -> list[PendingInstance]:
        """The changes that were sent, and whose verdict is not known, in the order made."""
        return self._instances(ChangeState.SENT)

    def get_deferred_upload(self, where: str = "", parameters: Parameters = ()) -> list[PendingInstance]:
        """The changes that were made with `upload=False` and not marked since; as `get_pending_upload`."""
        return self._instances(ChangeState.DEFERRED, where, parameters)

    def get_rejected(self) -> list[PendingInstance]:
        """The changes that the server rejected, each with the reason, in the order made.

        They stay until they are mended and sent again (`resend`), or rolled back.
        """
        return self._instances(ChangeState.REJECTED)

    def is_pending(self, pk: PrimaryKey) -> bool:
        """Does a change of the record wait for upload, or for its verdict?"""
        states = self._states(pk)
        return bool(states[ChangeState.PENDING] or states[ChangeState.SENT])

    def is_deferred(self, pk: PrimaryKey) -> bool:
        """Has the record a change that is to be marked for upload first?"""
        return bool(self._states(pk)[ChangeState.DEFERRED])

    def mark_for_upload_by_pk(self, pk: PrimaryKey) -> int:
        """Let the deferred changes of a record go up, and those that stand in one transaction with them. How many."""
        with self._writing() as (_, view):
            return mark_for_upload(view.connection, self._name, key_of_pk(view.kind, pk))

    def mark_for_upload(self, where: str = "", parameters: Parameters = ()) -> int:
        """As `mark_for_upload_by_pk`, for all records of which the condition holds, deleted ones included. How many."""
        with self._writing() as (_, view):
            keys = queries.changed_keys(view.connection, view.kind, where, parameters)
            deferred = pending.list_instances(view.connection, self._name, ChangeState.DEFERRED, keys)
            return sum(
                mark_for_upload(view.connection, self._name, key)
                for key in dict.fromkeys(instance.key for instance in deferred)
            )

    def roll_back_pending_local_changes(self, *, cascade: bool = False) -> RolledBack:
        """Take back all changes of this object type that the server has not decided. All of it, or nothing.

        What the app sees is then the newest server state known. A change takes those with it that came after it in its
        record, and those of its transaction. One that was sent is reversed once its verdict is known.

        Args:
            cascade: Also take back changes of records that refer to one that was created here and goes.

        Raises:
            ChildrenExist: there are such records, and `cascade` is not set.
        """
        with self._writing() as (_, view):
            return roll_back(view.connection, view.schema, self._name, cascade=cascade)

    def roll_back_pending_local_changes_by_pk(self, pk: PrimaryKey, *, cascade: bool = False) -> RolledBack:
        """Take back all changes of one record, as `roll_back_pending_local_changes`. Without any, nothing happens.

        Raises:
            ChildrenExist: records refer to this one, which was created here and goes, and `cascade` is not set.
        """
        with self._writing() as (_, view):
            key = key_of_pk(view.kind, pk)
            return roll_back(view.connection, view.schema, self._name, key, cascade=cascade)

    def undo(self, pk: PrimaryKey) -> RolledBack:
        """Take back the newest unsent change of a record, with its transaction. Without any, nothing happens.

        Raises:
            ChildrenExist: records refer to this one, which was created here and goes.
        """
        with self._writing() as (_, view):
            return undo_last(view.connection, view.schema, self._name, key_of_pk(view.kind, pk))

    def resend(self, pk: PrimaryKey) -> int:
        """Let a record go up again of which a change was rejected, as the app sees it now. How many changes go.

        One new change takes the place of the rejected one and all after it; if that was part of a transaction, so for
        each record of it, in one transaction. None goes if none is rejected, or if nothing is left of the changes.

        Raises:
            AwaitingVerdict: a later change of the record was sent, and its verdict is not known.
        """
        with self._writing() as (_, view):
            return resend(view.connection, view.schema, self._name, key_of_pk(view.kind, pk))

    def _instances(self, state: ChangeState, where: str = "", parameters: Parameters = ()) -> list[PendingInstance]:
        with self._reading() as view:
            keys = queries.changed_keys(view.connection, view.kind, where, parameters)
            return pending.list_instances(view.connection, self._name, state, keys)

    def _states(self, pk: PrimaryKey) -> Mapping[ChangeState, int]:
        with self._reading() as view:
            return pending.count_states(view.connection, self._name, key_of_pk(view.kind, pk))

    @contextmanager
    def _reading(self) -> Iterator[_View]:
        with visible(self._local, self._readers) as connection:
            yield self._view(connection)

    @contextmanager
    def _writing(self) -> Iterator[tuple[LocalWriter, _View]]:
        """A local transaction, or a part of the one that is open."""
        with self._local.transaction(as_one=False) as writer, translated():
            yield writer, self._view(self._local.connection)

    def _view(self, connection: sqlite3.Connection) -> _View:
        schema = schema_of(connection)
        return _View(connection, schema, queries.published(connection, schema, self._name))
