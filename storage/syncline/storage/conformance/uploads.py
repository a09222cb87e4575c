"""Uploading changes: what they do to records, and what is not taken at all (G3)."""

from __future__ import annotations

from functools import partial

import pytest

from syncline.data.changes import Verdict
from syncline.storage.conformance.tenant import NOTES, SECOND, Tenant, opening, record
from syncline.storage.conformance.threads import together
from syncline.storage.conformance.uploader import Uploader, json_judge, note, stands, verdicts
from syncline.storage.contract import Store
from syncline.storage.errors import (
    DeviceNotFound,
    InvalidValue,
    LimitReached,
    ObjectTypeNotFound,
    ResyncRequired,
    StaleDevice,
    StoreEpochChanged,
    StoreError,
    StreamSuperseded,
)
from syncline.storage.models import EventType, Feed, Record
from syncline.storage.upload_models import Change, ChangeAnswer, ChangeRefusal, CurrentRecord, Decision

APPLIED, REJECTED = Verdict.APPLIED, Verdict.REJECTED


TOO_LARGE = 666


def padding(change: Change, current: CurrentRecord | None, news: bool) -> Decision:
    """A judge whose frames may become larger than any store takes."""
    decision = json_judge()(change, current, news)
    assert decision.write is not None
    if change.content.data != {"a": TOO_LARGE}:
        return decision
    return decision._replace(write=decision.write._replace(frame=b"x" * ((1 << 20) + 1)))


def one(tenant: Tenant, key: str) -> Record:
    """The row of this key."""
    (row,) = tenant.store.get_records(tenant.account_id, "note", [key])
    return row


class UploadConformance:
    """`UploadStore.open_upload` and `UploadStore.upload`."""

    def test_g3_changes_are_done_in_their_order(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        created = device.insert("k", {"a": 1})
        outcome = device.send(
            created,
            device.update("k", {"a": (1, 2)}),
            device.insert("other", {"a": 1}),
            device.update("k", {"a": (2, None), "b": (None, 7)}),
            device.delete("other", {"a": 1}),
        )
        assert verdicts(outcome) == [APPLIED] * 5
        assert outcome.written
        assert outcome.stopped_by is None
        revisions = [answer.revision for answer in outcome.answers]
        assert revisions == sorted(set(revisions))
        assert outcome.head_revision == tenant.head() >= revisions[-1]
        assert (stands(tenant, "k"), stands(tenant, "other")) == ({"b": 7}, None)
        row = one(tenant, "k")
        assert (row.revision, row.created_by, row.written_by) == (
            revisions[3],
            created.change_uuid,
            device.device_uuid,
        )
        assert one(tenant, "other").revision == revisions[4]

    def test_g3_what_is_uploaded_reaches_other_devices(self, tenant: Tenant) -> None:
        tenant.write(note("moved", {"a": 1}, bucket="north"))
        tenant.remove("moved")
        device, reader = Uploader(tenant, "", "north"), tenant.device("", "north")
        reader.sync()
        device.send(
            device.insert("k", {"a": 1}, bucket="north"),
            device.insert("gone", {"a": 1}),
            device.insert("moved", {"a": 2}),
        )
        device.one(device.delete("gone", {"a": 1}))
        items = {item.key: (item.event_type, item.frame) for item in reader.sync()}
        assert items["k"] == (EventType.CREATED, b'{"a":1}')
        assert {key[1]: frame for key, frame in reader.frames().items()} == {"k": b'{"a":1}', "moved": b'{"a":2}'}
        assert tenant.store.get_records(tenant.account_id, "note", ["k"])[0].bucket == "north"
        in_north = tenant.device("north")
        in_north.sync()
        assert set(in_north.frames()) == {("note", "k")}

    def test_a_change_without_effect_writes_nothing(self, tenant: Tenant) -> None:
        revision = tenant.write(note("k", {"a": 1})).revisions[0]
        device = Uploader(tenant)
        outcome = device.send(device.update("k", {"a": (0, 1)}), device.delete("never", {"a": 1}))
        assert verdicts(outcome) == [APPLIED, APPLIED]
        assert not outcome.written
        assert outcome.answers[0].revision == one(tenant, "k").revision == revision
        assert tenant.store.get_records(tenant.account_id, "note", ["never"]) == []

    def test_the_server_takes_a_record_over_when_it_creates_it(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        created = device.insert("k", {"a": 1})
        device.one(created)
        tenant.write(note("k", {"a": 2}))
        assert (one(tenant, "k").created_by, one(tenant, "k").written_by) == (created.change_uuid, None)
        tenant.remove("k")
        tenant.write(note("k", {"a": 2}))
        assert (one(tenant, "k").created_by, one(tenant, "k").written_by) == (b"", None)
        device.one(device.update("k", {"a": (2, 3)}))
        assert (one(tenant, "k").created_by, one(tenant, "k").written_by) == (b"", device.device_uuid)

    def test_a_refused_change_is_answered_and_the_rest_goes_on(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        refusal = ChangeRefusal("CHANGE_INVALID", "not so: \x00", "data.a", (("limit", "7"),))
        bad = device.insert("bad\x00\ud800", {"a": 1}, object_type="nothing", refusal=refusal)
        outcome = device.send(device.insert("x", {"a": 1}), bad, device.insert("y", {"a": 1}))
        assert verdicts(outcome) == [APPLIED, REJECTED, APPLIED]
        assert outcome.answers[1] == ChangeAnswer(bad.change_seq, REJECTED, 0, refusal=refusal)
        device.open()
        assert device.one(bad) == outcome.answers[1]
        assert stands(tenant, "x") == stands(tenant, "y") == {"a": 1}

    def test_a_base_from_the_future_is_refused(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        answer = device.one(device.insert("k", {"a": 1}, base_revision=tenant.head() + 1))
        assert (answer.verdict, answer.revision) == (REJECTED, 0)
        assert answer.refusal is not None
        assert (answer.refusal.reason, answer.refusal.field) == ("BASE_FROM_FUTURE", "base_revision")
        assert stands(tenant, "k") is None

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"object_type": "nothing"}, ObjectTypeNotFound),
            ({"key": "bad\x00"}, InvalidValue),
            ({"bucket": "bad\ud800"}, InvalidValue),
            ({"data": {"a": TOO_LARGE}}, LimitReached),
        ],
        ids=["type", "key", "bucket", "frame"],
    )
    def test_g3_a_batch_that_is_not_taken_leaves_nothing(
        self, tenant: Tenant, options: dict[str, object], error: type[StoreError]
    ) -> None:
        device = Uploader(tenant)
        head = tenant.head()
        device.judge = padding
        good = device.insert("good", {"a": 1})
        bad = device.insert(**{"key": "bad", "data": {"a": 1}, **options})  # type: ignore[arg-type]
        with pytest.raises(error):
            device.send(good, bad)
        assert tenant.head() == head
        row = tenant.store.get_device(tenant.account_id, device.device_uuid)
        assert (row.next_change_seq, row.settled_through) == (1, 0)
        assert stands(tenant, "good") is None
        assert device.one(good).verdict is APPLIED

    def test_g3_a_judge_that_fails_leaves_nothing(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        changes = [device.insert("x", {"a": 1}), device.insert("y", {"a": 1})]

        def failing(change: Change, current: CurrentRecord | None, news: bool) -> Decision:
            if change.key == "y":
                raise ZeroDivisionError
            return judge(change, current, news)

        judge, device.judge = device.judge, failing
        with pytest.raises(ZeroDivisionError):
            device.send(*changes)
        assert stands(tenant, "x") is None
        device.judge = judge
        assert verdicts(device.send(*changes)) == [APPLIED, APPLIED]

    def test_1000_changes_are_one_message(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        head = tenant.head()
        changes = [device.insert(f"k{number}", {"a": number}, base_revision=head) for number in range(1001)]
        with pytest.raises(LimitReached):
            device.send(*changes)
        outcome = device.send(*changes[:1000])
        assert set(verdicts(outcome)) == {APPLIED}
        assert outcome.head_revision == head + 1000

    def test_only_the_newest_stream_uploads(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        old = device.stream_id
        change = device.insert("k", {"a": 1})
        device.open()
        with pytest.raises(StreamSuperseded):
            device.send(change, stream_id=old)
        assert stands(tenant, "k") is None
        row = tenant.store.get_device(tenant.account_id, device.device_uuid)
        assert (row.upload_stream_id, row.stream_id) == (device.stream_id, 0)

    def test_another_history_is_refused(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        epoch = tenant.store.get_head(tenant.account_id).store_epoch
        with pytest.raises(StoreEpochChanged):
            device.one(device.insert("k", {"a": 1}), store_epoch=epoch + 1)
        assert stands(tenant, "k") is None
        assert device.one(device.insert("k", {"a": 1}), store_epoch=epoch).verdict is APPLIED

    def test_verdicts_that_were_never_given_are_stale(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        device.one(device.insert("k", {"a": 1}))
        for settled in (2, 50):
            with pytest.raises(StaleDevice):
                device.send(device.insert("other", {"a": 1}), settled_through=settled)
        assert stands(tenant, "other") is None
        assert device.send(settled_through=1).answers == ()

    def test_g10_an_expired_device_downloads_first(self, tenant: Tenant) -> None:
        tenant.write(note("k", {"a": 1}))
        device = Uploader(tenant)
        sent = device.update("k", {"a": (1, 2)})
        answer = device.one(sent)
        tenant.store.collect(tenant.account_id, devices_seen_before=tenant.now() + SECOND, now=tenant.now())
        with pytest.raises(ResyncRequired):
            device.send(sent)
        with pytest.raises(ResyncRequired):
            device.send()
        request = opening(full_resync=True, now=tenant.now())
        tenant.store.open_queue(tenant.account_id, device.device_uuid, request)
        assert device.one(sent) == answer

    def test_a_device_must_be_registered(self, tenant: Tenant, store: Store) -> None:
        device = Uploader(tenant)
        other = Tenant(store)
        stranger = device.device_uuid
        with pytest.raises(DeviceNotFound):
            store.open_upload(other.account_id, stranger, stream_id=1)
        with pytest.raises(DeviceNotFound):
            store.upload(other.account_id, stranger, device.batch(device.insert("k", {"a": 1})), device.judge)

    def test_what_is_told_and_used_up_is_kept(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        device.send(device.insert("x", {"a": 1}), device.insert("y", {"a": 1}, change_seq=5))
        device.send(settled_through=3)
        device.send(settled_through=1)
        row = tenant.store.get_device(tenant.account_id, device.device_uuid)
        assert (row.next_change_seq, row.settled_through) == (6, 3)
        opened = tenant.open(device.device_uuid, always=True, now=tenant.now())
        assert (opened.next_change_seq, opened.settled_through) == (6, 3)
        device.send(device.insert("z", {"a": 1}), settled_through=5)
        opened = tenant.open(device.device_uuid, now=tenant.now())
        assert (opened.next_change_seq, opened.settled_through) == (7, 5)

    def test_uploading_is_contact(self, tenant: Tenant) -> None:
        device = Uploader(tenant)
        seen_at = tenant.store.get_device(tenant.account_id, device.device_uuid).last_contact
        device.one(device.insert("k", {"a": 1}), now=seen_at + 600 * SECOND)
        assert tenant.store.get_device(tenant.account_id, device.device_uuid).last_contact == seen_at + 600 * SECOND
        device.send(now=seen_at + 900 * SECOND)
        device.send(now=seen_at)
        assert tenant.store.get_device(tenant.account_id, device.device_uuid).last_contact == seen_at + 900 * SECOND

    def test_g1_g3_many_devices_upload_at_once(self, tenant: Tenant) -> None:
        """Every device counts in a field of the record that all of them edit, and creates records of its own."""
        tenant.write(note("shared", dict.fromkeys("abc", 0)))
        devices = [Uploader(tenant) for _ in range(3)]
        turns = 12

        def run(device: Uploader, field: str) -> list[int]:
            revisions = []
            for turn in range(turns):
                changes = [
                    device.update("shared", {field: (turn, turn + 1)}),
                    device.insert(f"{field}{turn}", {"a": turn}),
                ]
                outcome = device.send(*changes)
                assert set(verdicts(outcome)) <= {APPLIED, Verdict.MERGED}
                revisions += [answer.revision for answer in outcome.answers]
            return revisions

        answered = together(*(partial(run, device, field) for device, field in zip(devices, "abc", strict=True)))
        assert stands(tenant, "shared") == dict.fromkeys("abc", turns)
        for revisions in answered:
            assert revisions == sorted(revisions)
        assert len({revision for revisions in answered for revision in revisions}) == 3 * 2 * turns
        reader = tenant.device()
        assert len(reader.sync()) == 1 + 3 * turns

    def test_uploads_and_the_server_write_at_once(self, tenant: Tenant) -> None:
        """Whoever comes second decides on what the first has written: no edit of either is lost."""
        tenant.write(note("k", {"a": 0, "b": 0}))
        device = Uploader(tenant)

        def upload() -> None:
            for turn in range(20):
                device.one(device.update("k", {"a": (turn, turn + 1)}))

        def write() -> None:
            for number in range(20):
                tenant.write(record(f"other{number}"), note("else", {"a": number}))

        together(upload, write)
        assert stands(tenant, "k") == {"a": 20, "b": 0}
        rows = tenant.store.scan_records(tenant.account_id, "note", after_key=None, limit=100)
        assert len({row.revision for row in rows}) == len(rows) == 22

    def test_deletes_of_devices_are_collected_as_others_are(self, tenant: Tenant) -> None:
        device, reader = Uploader(tenant), tenant.device()
        device.one(device.insert("k", {"a": 1}))
        reader.sync()
        revision = device.one(device.delete("k", {"a": 1})).revision
        assert tenant.store.collect(tenant.account_id, devices_seen_before=0, now=tenant.now()).tombstones == 0
        reader.sync()
        assert tenant.store.collect(tenant.account_id, devices_seen_before=0, now=tenant.now()).tombstones == 1
        assert tenant.store.get_floor(tenant.account_id, *Feed(NOTES, "")) == revision
