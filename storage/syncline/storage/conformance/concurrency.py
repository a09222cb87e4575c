"""Many threads at once. Readers that follow must never find later what they should have been shown (G1)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from syncline.storage.conformance.commit_log import CommitLog
from syncline.storage.conformance.history import SEEDS
from syncline.storage.conformance.tenant import SCOPES, Tenant, numbered, record
from syncline.storage.conformance.threads import Countdown, together
from syncline.storage.errors import SchemaChanged
from syncline.storage.models import AckInterval, Feed, WriteOutcome

WRITERS = 16


class Follower:
    """Reads a device's feeds over and over, and remembers what it was shown."""

    def __init__(self, tenant: Tenant, *buckets: str) -> None:
        self._tenant = tenant
        self._device_uuid = tenant.register(*buckets)
        self._session = tenant.session(self._device_uuid, always=True)
        self._cursors: dict[Feed, int] = {}
        self.shown: set[tuple[int, str]] = set()
        self.through = 0

    def follow(self, running: Callable[[], bool], *, max_items: int) -> None:
        """Read until the writers are done and nothing is left."""
        at_end = False
        while not at_end:
            was_running = running()
            read = self._tenant.read(self._device_uuid, self._session, self._cursors, max_items=max_items)
            for piece in read.slices:
                for item in piece.items:
                    assert piece.above < item.revision <= read.through, "an item outside of what the read covers"
                    self.shown.add((item.revision, item.key))
            assert self.through <= read.through <= read.head.revision
            self.through = read.through
            self._cursors.update({entry.position.feed: read.through for entry in self._session.feeds})
            at_end = read.complete and not was_running


def follow_writers(tenant: Tenant, batches: Sequence[Sequence[int]], *, max_items: int) -> None:
    """Let writers commit batches of these sizes, and compare what was committed with what two followers were shown."""
    log = CommitLog(SCOPES)
    countdown = Countdown(len(batches))
    followers = [Follower(tenant, "", "north"), Follower(tenant, "north", "")]

    def write(writer: int) -> None:
        for turn, size in enumerate(batches[writer]):
            bucket = ("", "north")[(writer + turn) % 2]
            writes = numbered(size, prefix=f"w{writer}-{turn}-", bucket=bucket)
            log.add(writes, tenant.write(*writes))

    together(
        *(countdown.counted(partial(write, writer)) for writer in range(len(batches))),
        *(partial(follower.follow, countdown.running, max_items=max_items) for follower in followers),
    )
    committed = {(commit.revision, commit.item[1]) for commit in log.commits()}
    assert len({revision for revision, _ in committed}) == sum(map(sum, batches))
    for follower in followers:
        assert committed - follower.shown == set(), "committed at or below what was read, and never shown"
        assert follower.shown - committed == set()


class ConcurrencyConformance:
    """Writers, readers and acknowledgements at once."""

    def test_g1_followers_miss_nothing(self, tenant: Tenant) -> None:
        """One writer has long transactions, fifteen have short ones, so that they overlap wherever they can."""
        follow_writers(tenant, [[600] * 6, *[[1] * 30] * 15], max_items=500)

    @pytest.mark.chaos
    @pytest.mark.parametrize("seed", range(max(1, SEEDS // 3)))
    def test_g1_followers_miss_nothing_at_random(self, tenant: Tenant, seed: int) -> None:
        rng = random.Random(seed)
        batches = [[rng.choice([1, 1, 1, 3, 10, 60]) for _ in range(rng.randint(2, 6))] for _ in range(WRITERS)]
        follow_writers(tenant, batches, max_items=rng.choice([50, 200, 1000]))

    def test_g1_each_writers_revisions_ascend(self, tenant: Tenant) -> None:
        def write(writer: int) -> list[int]:
            return [tenant.put(f"{writer}-{turn}") for turn in range(10)]

        written = together(*(partial(write, writer) for writer in range(8)))
        for revisions in written:
            assert revisions == sorted(revisions)
        everything = [revision for revisions in written for revision in revisions]
        assert len(set(everything)) == 80
        assert max(everything) <= tenant.head()

    def test_g1_writers_decide_on_what_is_committed(self, tenant: Tenant) -> None:
        """Of many who create the same records at once, one inserts; the highest revision is what stays."""
        keys = [f"k{number:03}" for number in range(100)]
        results = together(
            *(partial(tenant.write, *(record(key, b"%d" % writer) for key in keys)) for writer in range(8))
        )
        for place, key in enumerate(keys):
            outcomes = [result.outcomes[place] for result in results]
            assert outcomes.count(WriteOutcome.INSERTED) == 1, key
            assert outcomes.count(WriteOutcome.UPDATED) == 7, key
        last = max(range(8), key=lambda writer: results[writer].revisions[0])
        rows = tenant.store.get_records(tenant.account_id, "note", keys)
        assert {row.frame for row in rows} == {b"%d" % last}
        assert [row.revision for row in sorted(rows, key=lambda row: row.key)] == list(results[last].revisions)

    def test_g10_concurrent_moves_leave_every_departure(self, tenant: Tenant) -> None:
        """Who moves a record must know where it is now, else a departure is left in the wrong feed."""
        buckets = [f"b{number}" for number in range(5)]
        keys = [f"k{number:02}" for number in range(30)]
        tenant.write(*(record(key, b"0", bucket="") for key in keys))
        devices = {bucket: tenant.device(bucket) for bucket in ("", *buckets)}
        for turn in range(4):
            together(
                *(
                    partial(tenant.write, *(record(key, b"%d %d" % (turn, at), bucket=bucket) for key in keys))
                    for at, bucket in enumerate(buckets)
                ),
                *(partial(device.sync, max_items=7) for device in devices.values()),
            )
        for device in devices.values():
            device.sync()
        rows = tenant.store.get_records(tenant.account_id, "note", keys)
        for bucket, device in devices.items():
            expected = {("note", row.key): row.frame for row in rows if row.bucket == bucket}
            assert device.frames() == expected, bucket

    def test_g2_acknowledgements_at_once_all_count(self, tenant: Tenant) -> None:
        tenant.write(*numbered(64))
        device_uuid = tenant.register()
        session = tenant.session(device_uuid)
        (epoch,) = [entry.position.epoch for entry in session.feeds if entry.position.feed.scope == "notes"]

        def acknowledge(revision: int) -> bool:
            interval = AckInterval(epoch, revision - 1, revision)
            outcome = tenant.store.acknowledge(tenant.account_id, device_uuid, [interval], [], [], now=tenant.now())
            return outcome.taken[0]

        def run(worker: int) -> int:
            return sum(acknowledge(revision) for revision in range(1 + worker, 65, 8))

        assert sum(together(*(partial(run, worker) for worker in range(8)))) == 64
        positions = tenant.store.list_positions(tenant.account_id, device_uuid)
        (position,) = [position for position in positions if position.epoch == epoch]
        assert (position.acked_through, position.acked_beyond) == (64, ())

    @pytest.mark.parametrize("attempt", range(3))
    def test_a_device_registers_once_from_many_threads(self, tenant: Tenant, attempt: int) -> None:
        del attempt
        device_uuid = tenant.device().device_uuid
        other = Tenant(tenant.store)
        register = partial(other.store.register_device, other.account_id, device_uuid, now=1)
        assert len(set(together(*[register] * 6))) == 1
        assert len(other.store.list_grants(other.account_id, device_uuid)) == 1

    def test_of_a_bucket_that_was_taken_away_no_position_is_left(self, tenant: Tenant) -> None:
        """A session that opens meanwhile must not bring it back: it would hold up what is never read again."""
        for _ in range(10):
            device_uuid = tenant.register("", "north")
            revoke = partial(tenant.store.revoke_buckets, tenant.account_id, device_uuid, ["north"])
            start = partial(tenant.open, device_uuid, full_resync=True)
            together(start, start, revoke, start, start)
            positions = tenant.store.list_positions(tenant.account_id, device_uuid)
            assert {position.feed.bucket for position in positions} <= {""}

    def test_one_of_many_schema_writers_wins(self, tenant: Tenant) -> None:
        schema = tenant.store.read_schema(tenant.account_id)

        def write() -> int:
            try:
                return tenant.store.write_schema(tenant.account_id, schema, expected_version=1).version
            except SchemaChanged:
                return 0

        assert sorted(together(*[write] * 6)) == [0, 0, 0, 0, 0, 2]
