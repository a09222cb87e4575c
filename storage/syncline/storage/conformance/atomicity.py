"""A call happens as a whole or not at all."""

from __future__ import annotations

from functools import partial

import pytest

from syncline.storage.conformance.commit_log import CommitLog
from syncline.storage.conformance.reference_device import ReferenceDevice
from syncline.storage.conformance.tenant import SCOPES, Tenant, numbered, record, removal
from syncline.storage.conformance.threads import Countdown, together
from syncline.storage.errors import InvalidValue, LimitReached, ObjectTypeNotFound, ResyncRequired
from syncline.storage.models import AckInterval, RecordWrite, Refusal

BATCH = 40
"""Records of one transaction in the test with readers."""
TURNS = 50
"""Transactions of it."""


class AtomicityConformance:
    """Refused calls leave nothing behind; readers see whole transactions."""

    @pytest.mark.parametrize(
        ("bad", "error"),
        [
            (record("bad", object_type="nothing"), ObjectTypeNotFound),
            (record("bad\x00"), InvalidValue),
            (record("bad", b"x" * ((1 << 20) + 1)), LimitReached),
        ],
        ids=["type", "key", "frame"],
    )
    def test_a_refused_batch_leaves_nothing(self, tenant: Tenant, bad: RecordWrite, error: type[Exception]) -> None:
        tenant.write(record("kept", b"1", bucket="north"), record("gone"))
        device = tenant.device("", "north")
        device.sync()
        with pytest.raises(error):
            tenant.write(record("new"), record("kept", b"2", bucket="south"), removal("gone"), bad)
        rows = tenant.store.get_records(tenant.account_id, "note", ["kept", "gone", "new"])
        assert {row.key: (row.bucket, row.frame) for row in rows} == {"gone": ("", b"{}"), "kept": ("north", b"1")}
        assert device.sync() == []

    def test_a_refused_acknowledgement_leaves_nothing(self, tenant: Tenant) -> None:
        tenant.write(*numbered(2010))
        device = tenant.device()
        opened = device.start()
        epoch = next(entry.position.epoch for entry in opened.feeds if entry.position.feed.scope == "notes")
        before = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        too_many = [AckInterval(epoch, number, number + 1) for number in range(1, 2004, 2)]
        with pytest.raises(LimitReached):
            tenant.store.acknowledge(
                tenant.account_id,
                device.device_uuid,
                too_many,
                [],
                [Refusal("note", "n00000", 1, "")],
                now=tenant.now(),
            )
        assert tenant.store.list_positions(tenant.account_id, device.device_uuid) == before
        assert tenant.store.list_rejections(tenant.account_id, device.device_uuid) == []

    def test_a_refused_opening_leaves_nothing(self, tenant: Tenant) -> None:
        tenant.write(record("x"), record("p", object_type="photo"))
        device = tenant.device()
        device.sync()
        copy = device.file.copy()
        tenant.remove("x")
        device.sync()
        tenant.store.collect(tenant.account_id, devices_seen_before=0, now=tenant.now())
        before = tenant.store.list_positions(tenant.account_id, device.device_uuid)
        session_id = tenant.store.get_device(tenant.account_id, device.device_uuid).session_id
        device.file = copy
        device.file.refused["photo", "p"] = Refusal("photo", "p", 2, "")
        with pytest.raises(ResyncRequired):
            device.start()
        assert tenant.store.list_positions(tenant.account_id, device.device_uuid) == before
        assert tenant.store.list_rejections(tenant.account_id, device.device_uuid) == []
        assert tenant.store.get_device(tenant.account_id, device.device_uuid).session_id == session_id

    def test_g5_readers_see_whole_transactions(self, tenant: Tenant) -> None:
        """Each transaction moves all records to the other bucket; every checkpoint is the state at its head."""
        keys = [f"k{number:02}" for number in range(BATCH)]
        buckets = ("", "north")
        log, countdown = CommitLog(SCOPES), Countdown(1)
        readers = [tenant.device(*buckets) for _ in range(2)]

        def write(turn: int) -> None:
            writes = [record(key, b"%d" % turn, bucket=buckets[turn % 2]) for key in keys]
            log.add(writes, tenant.write(*writes))

        def read(device: ReferenceDevice) -> None:
            running = True
            while running:
                running = countdown.running()
                device.sync()

        def write_all() -> None:
            for turn in range(1, TURNS):
                write(turn)

        write(0)
        together(countdown.counted(write_all), *(partial(read, device) for device in readers))
        for device in readers:
            for checkpoint in device.checkpoints:
                assert checkpoint.frames == log.view(checkpoint.head.revision, checkpoint.feeds)
                assert len(set(checkpoint.frames.values())) == 1
            assert set(device.frames().values()) == {b"%d" % (TURNS - 1)}
