"""Random histories of a full run in batches: they come and end in any order, workers die, other requests come between.

Whatever happens: what the parent brought last is there while it is open; its sweep deletes nothing that anybody brought
since its first batch came, and leaves nothing else; and it sweeps only once all batches have succeeded.
"""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest

from syncline.storage.conformance.history import SEEDS
from syncline.storage.conformance.request_desk import LEASE_US, Desk, row
from syncline.storage.conformance.tenant import Tenant
from syncline.storage.contract import Store
from syncline.storage.errors import LeaseLost
from syncline.storage.request_models import Ending, Lease
from syncline.storage.request_states import RequestStatus

KEYS = [f"k{number}" for number in range(12)]
FAILURES_MAX = 1_000
"""An attempt that is lost is always followed by another: a request fails only where the history says so."""


class ParentHistory:
    """One history, from a seed."""

    def __init__(self, store: Store, seed: int) -> None:
        self._rng = rng = Random(f"{seed} parents")
        self._desk = Desk(Tenant(store))
        self._enrollment_id = self._desk.enroll() if rng.random() < 0.7 else None
        self._parent_id = self._new_id()
        self._parts = [rng.sample(KEYS, rng.randint(0, 4)) for _ in range(rng.randint(1, 4))]
        self._unsent = rng.sample(range(len(self._parts)), len(self._parts))
        self._batches: list[str] = []
        self._rows: dict[str, list[str]] = {}
        """What each request brings."""
        self._dead: list[Lease] = []
        self._of_parent: set[str] = set()
        """What was brought last by a batch."""
        self._of_others: set[str] = set()
        """What was brought last by another request since the parent is there, and not deleted by one."""

    def run(self) -> None:
        """Let it happen, until the parent has ended."""
        self._desk.run(*(row(key, {"a": 0}) for key in KEYS[:8]), enrollment_id=self._enrollment_id)
        self._send()
        while not self._parent_ended():
            (action,) = self._rng.choices([self._send, self._intrude, self._work, self._promote], [3, 1, 4, 2])
            action()
            assert self._of_parent | self._of_others <= set(self._desk.live())
        parent = self._desk.get(self._parent_id)
        if parent.status is RequestStatus.SUCCESS:
            assert set(self._desk.live()) == self._of_parent | self._of_others
        else:
            assert parent.progress.deleted == 0

    def _parent_ended(self) -> bool:
        return self._desk.get(self._parent_id).status.is_final

    def _send(self) -> None:
        """The next batch comes."""
        if self._unsent:
            place = self._unsent.pop()
            made = self._desk.ask(
                request_id=self._new_id(),
                parent_id=self._parent_id,
                current_batch=place + 1,
                total_batches=len(self._parts),
                enrollment_id=self._enrollment_id,
                run_full_sync=True,
            )
            self._rows[made.request_id] = self._parts[place]
            self._batches.append(made.request_id)

    def _intrude(self) -> None:
        """Another request of the enrollment comes."""
        made = self._desk.ask(
            request_id=self._new_id(),
            enrollment_id=self._enrollment_id,
            run_full_sync=self._rng.random() < 0.5,
        )
        self._rows[made.request_id] = self._rng.sample(KEYS, 3)

    def _promote(self) -> None:
        """Time passes: leases of the dead run out, and whoever held one can do nothing more."""
        self._desk.promote(self._desk.tenant.now() + 2 * LEASE_US, failures_max=FAILURES_MAX)
        for lease in self._dead:
            with pytest.raises(LeaseLost):
                self._desk.write(lease, row("late", {"a": 1}))
        self._dead.clear()

    def _work(self) -> None:
        """A worker does what is due, and may die anywhere."""
        lease = self._desk.claim()
        if lease is None:
            return
        if lease.request_id == self._parent_id:
            assert not self._unsent
            assert {self._desk.get(batch).status for batch in self._batches} == {RequestStatus.SUCCESS}
        request = self._desk.get(lease.request_id)
        is_whole = self._bring(lease) and (
            not request.run_full_sync or request.parent_id is not None or self._sweep(lease)
        )
        if not is_whole:
            self._dead.append(lease)
            return
        endings = [Ending.SUCCESS] * 8 + [Ending.TRY_AGAIN, Ending.GIVEN_BACK]
        if request.parent_id is not None:
            endings += [Ending.FAILED] if self._rng.random() < 0.3 else []
        due_at = self._desk.tenant.now()
        self._desk.end(lease, self._rng.choice(endings), due_at=due_at, failures_max=FAILURES_MAX)

    def _bring(self, lease: Lease) -> bool:
        """Write the rows of the request, in two batches; is it alive still?"""
        keys = self._rows.get(lease.request_id, [])
        is_batch = self._desk.get(lease.request_id).parent_id is not None
        for number, some in enumerate((keys[:2], keys[2:]), 1):
            if self._rng.random() < 0.1:
                return False
            changed = {"a": 0 if is_batch else self._rng.random()}
            self._desk.write(lease, *(row(key, changed) for key in some), number=number)
            if is_batch:
                self._of_parent |= set(some)
                self._of_others -= set(some)
            else:
                self._of_others |= set(some)
                self._of_parent -= set(some)
        return True

    def _sweep(self, lease: Lease) -> bool:
        """Delete what was not seen, in small steps; is it alive still?"""
        left = 1
        while left:
            if self._rng.random() < 0.2:
                return False
            left = self._desk.sweep(lease, "note", limit=self._rng.randint(1, 3))
            if lease.request_id != self._parent_id:
                self._of_others &= set(self._desk.live())  # what another full run is free to delete
        return True

    def _new_id(self) -> str:
        return str(UUID(bytes=self._rng.randbytes(16)))


class ParentHistoryConformance:
    """Random histories."""

    @pytest.mark.chaos
    @pytest.mark.parametrize("seed", range(SEEDS))
    def test_g10_g11_random_batches(self, store: Store, seed: int) -> None:
        for round_number in range(5):
            ParentHistory(store, 5 * seed + round_number).run()
