"""The records of one object type, for asyncio programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncline.replica.async_work import LocalThreads
from syncline.replica.objects import Objects
from syncline.replica.pending import PendingInstance
from syncline.replica.queries import Record
from syncline.replica.record_pk import PrimaryKey
from syncline.replica.taking import RolledBack
from syncline.replica.where import Parameters


class AsyncObjects:
    """The records of one object type, for use inside one event loop. What a method does, `Objects` says.

    `AsyncReplica.objects` gives one.
    """

    def __init__(self, objects: Objects, threads: LocalThreads) -> None:
        """Use `AsyncReplica.objects`."""
        self._objects = objects
        self._threads = threads

    @property
    def name(self) -> str:
        """See `Objects.name`."""
        return self._objects.name

    async def create(
        self, data: Mapping[str, Any], *, key: str | None = None, bucket: str = "", upload: bool = True
    ) -> str:
        """See `Objects.create`."""
        return await self._threads.run(self._objects.create, data, key=key, bucket=bucket, upload=upload)

    async def create_all(
        self, records: Iterable[Mapping[str, Any]], *, bucket: str = "", upload: bool = True
    ) -> list[str]:
        """See `Objects.create_all`."""
        return await self._threads.run(self._objects.create_all, records, bucket=bucket, upload=upload)

    async def update_by_pk(self, pk: PrimaryKey, changes: Mapping[str, Any], *, upload: bool = True) -> int:
        """See `Objects.update_by_pk`."""
        return await self._threads.run(self._objects.update_by_pk, pk, changes, upload=upload)

    async def update(
        self, where: str, parameters: Parameters, changes: Mapping[str, Any], *, upload: bool = True
    ) -> int:
        """See `Objects.update`."""
        return await self._threads.run(self._objects.update, where, parameters, changes, upload=upload)

    async def update_all(
        self, updates: Iterable[tuple[str, Parameters, Mapping[str, Any]]], *, upload: bool = True
    ) -> int:
        """See `Objects.update_all`."""
        return await self._threads.run(self._objects.update_all, updates, upload=upload)

    async def delete_by_pk(self, pk: PrimaryKey, *, upload: bool = True) -> int:
        """See `Objects.delete_by_pk`."""
        return await self._threads.run(self._objects.delete_by_pk, pk, upload=upload)

    async def remove(self, where: str, parameters: Parameters = (), *, upload: bool = True) -> int:
        """See `Objects.remove`."""
        return await self._threads.run(self._objects.remove, where, parameters, upload=upload)

    async def remove_device_instance_by_pk(self, pk: PrimaryKey) -> int:
        """See `Objects.remove_device_instance_by_pk`."""
        return await self._threads.run(self._objects.remove_device_instance_by_pk, pk)

    async def remove_device_instance(self, where: str, parameters: Parameters = ()) -> int:
        """See `Objects.remove_device_instance`."""
        return await self._threads.run(self._objects.remove_device_instance, where, parameters)

    async def get_all(self, *, order_by: Sequence[str] = (), limit: int | None = None, offset: int = 0) -> list[Record]:
        """See `Objects.get_all`."""
        return await self._threads.read(self._objects.get_all, order_by=order_by, limit=limit, offset=offset)

    async def get_all_details_by_pk(self, pk: PrimaryKey) -> Record | None:
        """See `Objects.get_all_details_by_pk`."""
        return await self._threads.read(self._objects.get_all_details_by_pk, pk)

    async def find(
        self,
        where: str = "",
        parameters: Parameters = (),
        *,
        order_by: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        """See `Objects.find`."""
        return await self._threads.read(
            self._objects.find, where, parameters, order_by=order_by, limit=limit, offset=offset
        )

    async def count(self, where: str = "", parameters: Parameters = ()) -> int:
        """See `Objects.count`."""
        return await self._threads.read(self._objects.count, where, parameters)

    async def related(self, pk: PrimaryKey, relationship: str) -> list[Record]:
        """See `Objects.related`."""
        return await self._threads.read(self._objects.related, pk, relationship)

    async def count_related(self, pk: PrimaryKey, relationship: str) -> int:
        """See `Objects.count_related`."""
        return await self._threads.read(self._objects.count_related, pk, relationship)

    async def get_pending_upload(self, where: str = "", parameters: Parameters = ()) -> list[PendingInstance]:
        """See `Objects.get_pending_upload`."""
        return await self._threads.read(self._objects.get_pending_upload, where, parameters)

    async def get_pending_acknowledgement(self) -> list[PendingInstance]:
        """See `Objects.get_pending_acknowledgement`."""
        return await self._threads.read(self._objects.get_pending_acknowledgement)

    async def get_deferred_upload(self, where: str = "", parameters: Parameters = ()) -> list[PendingInstance]:
        """See `Objects.get_deferred_upload`."""
        return await self._threads.read(self._objects.get_deferred_upload, where, parameters)

    async def get_rejected(self) -> list[PendingInstance]:
        """See `Objects.get_rejected`."""
        return await self._threads.read(self._objects.get_rejected)

    async def is_pending(self, pk: PrimaryKey) -> bool:
        """See `Objects.is_pending`."""
        return await self._threads.read(self._objects.is_pending, pk)

    async def is_deferred(self, pk: PrimaryKey) -> bool:
        """See `Objects.is_deferred`."""
        return await self._threads.read(self._objects.is_deferred, pk)

    async def mark_for_upload_by_pk(self, pk: PrimaryKey) -> int:
        """See `Objects.mark_for_upload_by_pk`."""
        return await self._threads.run(self._objects.mark_for_upload_by_pk, pk)

    async def mark_for_upload(self, where: str = "", parameters: Parameters = ()) -> int:
        """See `Objects.mark_for_upload`."""
        return await self._threads.run(self._objects.mark_for_upload, where, parameters)

    async def roll_back_pending_local_changes(self, *, cascade: bool = False) -> RolledBack:
        """See `Objects.roll_back_pending_local_changes`."""
        return await self._threads.run(self._objects.roll_back_pending_local_changes, cascade=cascade)

    async def roll_back_pending_local_changes_by_pk(self, pk: PrimaryKey, *, cascade: bool = False) -> RolledBack:
        """See `Objects.roll_back_pending_local_changes_by_pk`."""
        return await self._threads.run(self._objects.roll_back_pending_local_changes_by_pk, pk, cascade=cascade)

    async def undo(self, pk: PrimaryKey) -> RolledBack:
        """See `Objects.undo`."""
        return await self._threads.run(self._objects.undo, pk)

    async def resend(self, pk: PrimaryKey) -> int:
        """See `Objects.resend`."""
        return await self._threads.run(self._objects.resend, pk)
