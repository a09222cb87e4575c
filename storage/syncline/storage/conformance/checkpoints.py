"""The checkpoint oracle (G5, G12): devices against the log of what was committed."""

from __future__ import annotations

from threading import Semaphore

import pytest

from syncline.storage.conformance.commit_log import CommitLog
from syncline.storage.conformance.history import SEEDS, RandomHistory
from syncline.storage.conformance.tenant import SCOPES, Tenant, record, removal
from syncline.storage.conformance.threads import PATIENCE_S, together
from syncline.storage.contract import Store

RUNS = 10
"""Of the device that reads against steady writes."""


class CheckpointConformance:
    """Random histories, and steady writes against a checkpoint."""

    @pytest.mark.chaos
    @pytest.mark.parametrize("seed", range(SEEDS))
    def test_g5_g12_random_history(self, store: Store, seed: int) -> None:
        RandomHistory(store, seed).run()

    @pytest.mark.chaos
    @pytest.mark.parametrize("seed", range(SEEDS))
    def test_g5_g12_random_history_in_turns(self, store: Store, seed: int) -> None:
        RandomHistory(store, seed).run_in_turns()

    def test_g5_steady_writes_cannot_starve_a_checkpoint(self, tenant: Tenant) -> None:
        """Six transactions come for each run of a device that reads four items at a time; each run ends."""
        keys = [f"k{number}" for number in range(20)]
        log, due = CommitLog(SCOPES), Semaphore(0)
        first = [record(key, b"0", bucket="") for key in keys]
        log.add(first, tenant.write(*first))
        device = tenant.device()

        def write() -> None:
            for turn in range(6 * RUNS):
                assert due.acquire(timeout=PATIENCE_S), "the reader has stopped"
                writes = [record(keys[turn % 20], b"%d" % turn, bucket=""), removal(keys[(turn * 7) % 20])]
                log.add(writes, tenant.write(*writes))

        def read() -> None:
            for _ in range(RUNS):
                due.release(6)
                device.sync(max_items=4)

        together(read, write)
        assert len(device.checkpoints) == RUNS
        for checkpoint in device.checkpoints:
            assert checkpoint.frames == log.view(checkpoint.head.revision, checkpoint.feeds)
