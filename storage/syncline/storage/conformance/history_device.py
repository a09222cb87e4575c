"""A device in a random history: it reads in small steps, forgets, refuses, comes back from copies."""

from __future__ import annotations

from random import Random

from syncline.storage.conformance.device_file import DeviceFile, Outbox
from syncline.storage.conformance.tenant import MEDIA, NOTES, Tenant
from syncline.storage.contract import Store
from syncline.storage.errors import ResyncRequired
from syncline.storage.models import Feed, FeedItem

BUCKETS = ("", "a", "b")
SETTLE_ROUNDS = 10
"""So many sessions a device has, once all is quiet, to reach the end."""


class HistoryDevice:
    """One device and the chance that drives it. Not for use by several threads at once."""

    def __init__(self, tenant: Tenant, rng: Random) -> None:
        self._tenant = tenant
        self._store: Store = tenant.store
        self._rng = rng
        self._tells_positions = rng.random() < 0.7
        buckets = rng.sample(BUCKETS, k=rng.randint(1, 3))
        self.device = tenant.device(*buckets, tells_positions=self._tells_positions)
        self._must_resync = False
        self._refusing = rng.choice([0.0, 0.1, 0.4])
        self._copies: list[DeviceFile] = []
        self._late: list[Outbox] = []

    def step(self) -> None:
        """Do one thing."""
        actions = {
            self._go_on: 60,
            self._acknowledge: 20,
            self._acknowledge_late: 6,
            self._forget_session: 4,
            self._keep_copy: 4,
            self._put_back_copy: 3,
            self._change_grants: 3,
            self._put_back_items: 2,
        }
        (action,) = self._rng.choices(list(actions), weights=list(actions.values()))
        action()

    def settle(self) -> dict[tuple[str, str], bytes]:
        """Take everything until nothing is left, now that nobody writes; answer the copy."""
        self._refusing = 0.0
        self._drop_session()
        for _ in range(SETTLE_ROUNDS):
            self._put_back_items()
            if not self.device.sync(max_items=self._rng.randint(1, 50)):
                break
        else:
            raise AssertionError("the device does not come to rest")
        return self.device.frames()

    def feeds(self) -> set[Feed]:
        """The feeds that the device is granted."""
        grants = self._store.list_grants(self._tenant.account_id, self.device.device_uuid)
        return {Feed(scope, bucket) for scope in (NOTES, MEDIA) for bucket in grants}

    def _refuses(self, item: FeedItem) -> bool:
        del item
        return self._rng.random() < self._refusing

    def _go_on(self) -> None:
        """Start a session, or read on in it."""
        if self.device.session is None:
            self._start()
            return
        try:
            read = self.device.read(max_items=self._rng.randint(1, 6), refuses=self._refuses)
        except ResyncRequired:
            self._drop_session()
        else:
            if read.complete and self._rng.random() < 0.7:
                self._drop_session()

    def _start(self) -> None:
        full_resync = self._must_resync or self._rng.random() < 0.03
        scopes = () if full_resync else self._rng.choice([(), (), (), (NOTES,), (MEDIA,)])
        try:
            self.device.start(scopes=scopes, full_resync=full_resync, always=self._rng.random() < 0.2)
        except ResyncRequired:
            assert not full_resync, "a full resync is always possible"
            self._must_resync = True
            self._drop_session()
        else:
            self._must_resync = False

    def _drop_session(self) -> None:
        """Leave the session where it is; what was not acknowledged may be so later, or never."""
        self.device.session = None
        self._late.append(self.device.outbox)
        self.device.outbox = Outbox()

    def _forget_session(self) -> None:
        """The application is killed."""
        self._drop_session()

    def _acknowledge(self) -> None:
        """Acknowledge what the outbox holds, in any order and some of it twice."""
        outbox = self.device.outbox
        self._rng.shuffle(outbox.intervals)
        if outbox.intervals and self._rng.random() < 0.3:
            outbox.intervals.append(self._rng.choice(outbox.intervals))
        if self._rng.random() < 0.2:
            self._late.append(Outbox(list(outbox.intervals), list(outbox.redelivered), list(outbox.refusals)))
        try:
            self.device.acknowledge()
        except ResyncRequired:
            self._drop_session()

    def _acknowledge_late(self) -> None:
        """Send part of what was owed in an earlier session."""
        if not self._late:
            return
        owed = self._late.pop(self._rng.randrange(len(self._late)))
        intervals = self._rng.sample(owed.intervals, k=self._rng.randint(0, len(owed.intervals)))
        try:
            self._store.acknowledge(
                self._tenant.account_id,
                self.device.device_uuid,
                intervals,
                owed.redelivered,
                owed.refusals,
                now=self._tenant.now(),
            )
        except ResyncRequired:
            return

    def _keep_copy(self) -> None:
        self._copies.append(self.device.file.copy())

    def _put_back_copy(self) -> None:
        """The device's file is restored. A device that tells no positions would never get again what it lost."""
        if self._copies and self._tells_positions:
            self.device.file = self._rng.choice(self._copies).copy()
            self._drop_session()

    def _change_grants(self) -> None:
        bucket = self._rng.choice(BUCKETS)
        change = self._rng.choice([self._store.grant_buckets, self._store.revoke_buckets])
        change(self._tenant.account_id, self.device.device_uuid, [bucket])

    def _put_back_items(self) -> None:
        rejections = self._store.list_rejections(self._tenant.account_id, self.device.device_uuid)
        items = [(rejection.object_type, rejection.key) for rejection in rejections if rejection.parked]
        self._store.put_back(self._tenant.account_id, self.device.device_uuid, items)
