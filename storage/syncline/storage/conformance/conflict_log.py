"""The conflict log: what is noted, who sees it, how long it is kept."""

from __future__ import annotations

import pytest

from syncline.data.changes import Operation, Verdict
from syncline.data.schema import ConflictPolicy
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.conformance.uploader import Uploader, json_judge, note
from syncline.storage.contract import Store
from syncline.storage.errors import DeviceNotFound
from syncline.storage.upload_models import Conflict, ConflictNote


def listed(
    device: Uploader,
    *,
    all_devices: bool = False,
    object_type: str | None = None,
    key: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Conflict]:
    """What the device is shown of the log."""
    return device.tenant.store.list_conflicts(
        device.tenant.account_id,
        device.device_uuid,
        all_devices=all_devices,
        object_type=object_type,
        key=key,
        before_id=before_id,
        limit=limit,
    )


def contest(device: Uploader, key: str, *, object_type: str = "note", bucket: str = "") -> Conflict:
    """Let the device lose a field of a record that the server wrote."""
    device.tenant.write(note(key, {"a": 9}, object_type=object_type, bucket=bucket))
    conflict = device.one(device.update(key, {"a": (1, 2)}, object_type=object_type)).conflict
    assert conflict is not None
    return conflict


class ConflictLogConformance:
    """`UploadStore.list_conflicts`."""

    def test_a_conflict_is_noted_with_both_sides(self, tenant: Tenant) -> None:
        revision = tenant.write(note("k", {"a": 9, "b": 1}, bucket="north")).revisions[0]
        device = Uploader(tenant, "", "north")
        change = device.update("k", {"a": (1, 2), "b": (1, 5)})
        now = tenant.now()
        answer = device.one(change, now=now)
        (entry,) = listed(device)
        assert entry == answer.conflict
        assert entry == Conflict(
            conflict_id=entry.conflict_id,
            object_type="note",
            key="k",
            bucket="north",
            device_uuid=device.device_uuid,
            change_uuid=change.change_uuid,
            operation=Operation.UPDATE,
            verdict=Verdict.MERGED,
            revision=answer.revision,
            decided_at=now,
            note=ConflictNote(
                ConflictPolicy.MERGE_FIELDS, ("a",), b'{"a":2,"b":5}', b'{"a":9,"b":1}', b'{"a":9,"b":5}'
            ),
        )
        assert entry.revision > revision
        assert entry.conflict_id > 0

    def test_what_is_gone_is_noted_as_none(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 1}))
        device = Uploader(tenant, judge=json_judge(ConflictPolicy.CLIENT_WINS))
        device.one(device.delete("k", {"a": 0}))
        device.one(device.update("k", {"a": (1, 2)}))
        update, delete = (entry.note for entry in listed(device))
        assert (delete.device_data, delete.server_data, delete.result_data) == (None, b'{"a":1}', None)
        assert (update.device_data, update.server_data, update.result_data) == (b'{"a":2}', None, None)
        assert update.fields == delete.fields == ()

    def test_a_refused_conflict_is_noted(self, tenant: Tenant) -> None:
        device = Uploader(tenant, judge=json_judge(ConflictPolicy.REJECT))
        contest(device, "k")
        (entry,) = listed(device)
        assert (entry.verdict, entry.revision) == (Verdict.REJECTED, 0)

    def test_what_is_not_contested_is_not_noted(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        device.send(device.insert("k", {"a": 1}), device.update("k", {"a": (1, 2)}), device.delete("k", {"a": 2}))
        assert listed(device) == []

    def test_pages_are_newest_first(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        tenant.write(note("k", {"a": 9}))
        outcome = device.send(*(device.update("k", {"a": (number, number + 1)}) for number in range(5)))
        noted = [answer.conflict for answer in outcome.answers]
        assert listed(device) == noted[::-1]
        assert len({entry.conflict_id for entry in listed(device)}) == 5
        first = listed(device, limit=2)
        second = listed(device, limit=2, before_id=first[-1].conflict_id)
        last = listed(device, limit=2, before_id=second[-1].conflict_id)
        assert [*first, *second, *last] == noted[::-1]
        assert listed(device, before_id=last[-1].conflict_id) == []

    def test_filters_narrow_the_list(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        note_k, note_l = contest(device, "k"), contest(device, "l")
        task_k = contest(device, "k", object_type="task")
        assert listed(device, object_type="note") == [note_l, note_k]
        assert listed(device, object_type="note", key="k") == [note_k]
        assert listed(device, object_type="task", all_devices=True) == [task_k]
        assert listed(device, object_type="task", key="l") == []
        assert listed(device, object_type="Note") == []
        assert listed(device, object_type="note", key="") == []

    def test_g9_the_conflicts_of_others_are_shown_up_to_the_walls(self, tenant: Tenant) -> None:
        device, other = Uploader(tenant, "", "north"), Uploader(tenant, "", "south")
        mine, theirs = contest(device, "x"), contest(other, "y")
        northern, southern = contest(device, "n", bucket="north"), contest(other, "s", bucket="south")
        assert listed(device) == [northern, mine]
        assert listed(device, all_devices=True) == [northern, theirs, mine]
        assert listed(other, all_devices=True) == [southern, theirs, mine]
        tenant.store.revoke_buckets(tenant.account_id, device.device_uuid, ["", "north"])
        assert listed(device, all_devices=True) == []
        assert listed(device) == [northern, mine]

    def test_g9_conflicts_stay_in_their_account(self, store: Store) -> None:
        mine, other = Tenant(store), Tenant(store)
        device = Uploader(mine)
        contest(device, "k")
        store.register_device(other.account_id, device.device_uuid, now=1)
        twin = Uploader(other, device_uuid=device.device_uuid)
        assert listed(twin) == listed(twin, all_devices=True) == []
        stranger = Uploader(other)
        stranger.tenant = mine
        with pytest.raises(DeviceNotFound):
            listed(stranger)

    def test_old_conflicts_are_collected(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        old, young = contest(device, "old"), contest(device, "young")
        collected = tenant.store.collect(tenant.account_id, devices_seen_before=young.decided_at, now=tenant.now())
        assert collected.conflicts == 1
        assert listed(device) == [young]
        assert old.decided_at < young.decided_at
