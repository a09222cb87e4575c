"""Random histories from a seed, and the oracle that judges them (G5, G12).

Writers create, change, move and delete; devices read in small steps, refuse, acknowledge late, twice or never, come
back from copies, gain and lose buckets; collection and expiry run in between. At each checkpoint that a device came
to, its copy must have equalled what the committed revisions up to that head make of its feeds, and once all is quiet,
every device must come to rest at the final state.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from syncline.storage.conformance.commit_log import CommitLog
from syncline.storage.conformance.device_file import CheckpointCopy
from syncline.storage.conformance.history_device import BUCKETS, HistoryDevice
from syncline.storage.conformance.reference_device import ReferenceDevice
from syncline.storage.conformance.tenant import SCOPES, SECOND, Tenant, record, removal
from syncline.storage.conformance.threads import together
from syncline.storage.contract import Store
from syncline.storage.models import RecordWrite

SEEDS = int(os.environ.get("SYNCLINE_CHAOS_SEEDS", "6"))
"""How many random histories of each kind are run."""


@dataclass(frozen=True, slots=True)
class HistorySize:
    """How much happens in a history."""

    writers: int = 3
    transactions: int = 25
    """Of each writer."""
    devices: int = 3
    steps: int = 80
    """Of each device."""
    collections: int = 8
    keys: int = 10
    """Per object type. Few, so that everybody is after the same records."""


class RandomHistory:
    """One history. The seed fixes what each actor wants to do; how the actors interleave is up to the threads."""

    def __init__(
        self,
        store: Store,
        seed: int,
        size: HistorySize | None = None,
        device_class: type[ReferenceDevice] = ReferenceDevice,
    ) -> None:
        self._seed = seed
        self._size = size or HistorySize()
        self._tenant = Tenant(store, device_class)
        self._log = CommitLog(SCOPES)
        self._devices = [HistoryDevice(self._tenant, self._rng("device", n)) for n in range(self._size.devices)]

    def run(self) -> None:
        """Let it happen, then judge it. Raises `AssertionError` with the seed if the store or a device was wrong."""
        size = self._size
        actors: list[Callable[[], None]] = [
            *(partial(self._write, self._rng("writer", n), size.transactions) for n in range(size.writers)),
            *(partial(self._wander, device) for device in self._devices),
            partial(self._collect, self._rng("collector", 0)),
        ]
        together(*actors)
        for device in self._devices:
            for checkpoint in device.device.checkpoints:
                self._judge(checkpoint)
        self._judge_rest()

    def run_in_turns(self) -> None:
        """The same in one thread: the seed fixes everything but random ids."""
        rng = self._rng("turns", 0)
        writer, collector = self._rng("writer", 0), self._rng("collector", 0)
        for _ in range(self._size.steps * self._size.devices):
            rng.choice(self._devices).step()
            if rng.random() < 0.25:
                self._write(writer, 1)
            if rng.random() < 0.03:
                self._collect_once(collector)
        for device in self._devices:
            for checkpoint in device.device.checkpoints:
                self._judge(checkpoint)
        self._judge_rest()

    def _rng(self, role: str, number: int) -> Random:
        """An actor's own chance."""
        return Random(f"{self._seed} {role} {number}")

    def _write(self, rng: Random, transactions: int) -> None:
        """Commit so many transactions."""
        for _ in range(transactions):
            writes = [self._random_write(rng) for _ in range(rng.randint(1, 4))]
            self._log.add(writes, self._tenant.write(*writes))

    def _random_write(self, rng: Random) -> RecordWrite:
        key, object_type = f"k{rng.randrange(self._size.keys)}", rng.choice(sorted(SCOPES))
        if rng.random() < 0.3:
            return removal(key, object_type=object_type)
        return record(key, b"%d" % rng.randrange(5), object_type=object_type, bucket=rng.choice(BUCKETS))

    def _wander(self, device: HistoryDevice) -> None:
        for _ in range(self._size.steps):
            device.step()

    def _collect(self, rng: Random) -> None:
        for _ in range(self._size.collections):
            self._collect_once(rng)

    def _collect_once(self, rng: Random) -> None:
        """Collect; now and then devices expire, or the history gets a new identity."""
        store, account_id, now = self._tenant.store, self._tenant.account_id, self._tenant.now()
        patience = rng.choice([1 << 40, 1 << 40, 20 * SECOND])
        store.collect(account_id, devices_seen_before=now - patience, now=now)
        if rng.random() < 0.05:
            store.renew_store_epoch(account_id)

    def _judge(self, checkpoint: CheckpointCopy) -> None:
        """Compare the copy at a checkpoint with what was committed up to it."""
        expected = self._log.view(checkpoint.head.revision, checkpoint.feeds)
        copy = {item: frame for item, frame in checkpoint.frames.items() if item not in checkpoint.refused}
        for item in checkpoint.refused:
            expected.pop(item, None)
        self._compare(copy, expected, f"at the checkpoint of revision {checkpoint.head.revision}")

    def _judge_rest(self) -> None:
        """Compare every device with the final state."""
        for device in self._devices:
            copy, feeds = device.settle(), device.feeds()
            self._compare(copy, self._log.view(self._tenant.head(), feeds), "at rest")
            store, account_id = self._tenant.store, self._tenant.account_id
            left = store.list_rejections(account_id, device.device.device_uuid) if feeds else []
            assert not left, f"seed {self._seed}, at rest: still lacking {left}"

    def _compare(self, copy: dict[tuple[str, str], bytes], expected: dict[tuple[str, str], bytes], when: str) -> None:
        missing = {item: frame for item, frame in expected.items() if copy.get(item) != frame}
        surplus = {item: frame for item, frame in copy.items() if item not in expected}
        assert (missing, surplus) == ({}, {}), f"seed {self._seed}, {when}: missing or old {missing}, surplus {surplus}"
