"""What is in a bucket that a device is not granted is answered as what is nowhere, by all methods, on all stores."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from syncline.storage import open_store
from tests.service.wall_buckets import (
    SILENT,
    SYNC,
    TELLING,
    check_claimed_buckets,
    check_explanations,
    check_granted_buckets,
    open_buckets,
)
from tests.service.walls import METHODS


def test_every_method_of_devices_is_asked() -> None:
    assert {SYNC + name for name in (*TELLING, *SILENT)} == {path for path in METHODS if path.startswith(SYNC)}


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
async def test_g9_what_is_in_another_bucket_is_not_there(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = "memory:" if kind == "memory" else request.getfixturevalue(f"{kind}_url")
    with closing(open_store(url, durable=False)) as store:
        async with open_buckets(store, tmp_path) as world:
            await check_claimed_buckets(world)
            await check_granted_buckets(world)
            await check_explanations(world)
