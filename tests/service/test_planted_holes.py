"""The matrix of walls catches each of these holes. Without the hole its checks pass: see test_walls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from syncline.storage.memory.store import MemoryStore
from tests.harness.bearers import token_of
from tests.service import planted_holes as holes
from tests.service import wall_buckets as buckets
from tests.service import wall_matrix as matrix

Hole: TypeAlias = type[MemoryStore] | Callable[[pytest.MonkeyPatch], None]
"""In a store, or in a server."""


def name(value: object) -> str:
    """How a case is shown."""
    return getattr(value, "__name__", str(value))


def plant(hole: Hole, patch: pytest.MonkeyPatch) -> MemoryStore:
    """A store, with the hole in it or in the server that is going to run over it."""
    if isinstance(hole, type):
        store: MemoryStore = hole()
        return store
    hole(patch)
    return MemoryStore()


@pytest.mark.parametrize(
    ("hole", "check"),
    [
        (holes.RequestsOfAnyAccount, matrix.check_accounts),
        (holes.ForeignRequestsAreTold, matrix.check_accounts),
        (holes.DevicesForgottenEverywhere, matrix.check_accounts),
        (holes.EnrollmentsOfAllAccounts, matrix.check_own),
        (holes.seals_of_anybody, matrix.check_accounts),
        (holes.seals_of_the_whole_account, matrix.check_devices),
        (holes.acknowledgements_of_any_session, matrix.check_devices),
        (holes.a_permission_that_is_too_low, matrix.check_permissions),
        (holes.permissions_that_include_each_other, matrix.check_permissions),
        (holes.devices_of_anybody, matrix.check_principals),
    ],
    ids=name,
)
async def test_hole_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hole: Hole, check: matrix.Check) -> None:
    async with matrix.open_world(plant(hole, monkeypatch), token_of, tmp_path) as world:
        with pytest.raises(AssertionError):
            await check(world)


@pytest.mark.parametrize(
    ("hole", "check"),
    [
        (holes.ConflictsOfAllBuckets, buckets.check_granted_buckets),
        (holes.RecordsOfAnyBucket, buckets.check_granted_buckets),
        (holes.claims_that_are_left_out, buckets.check_claimed_buckets),
    ],
    ids=name,
)
async def test_hole_between_buckets_is_caught(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hole: Hole,
    check: Callable[[buckets.Buckets], Awaitable[None]],
) -> None:
    async with buckets.open_buckets(plant(hole, monkeypatch), tmp_path) as world:
        with pytest.raises(AssertionError):
            await check(world)
