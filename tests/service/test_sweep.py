"""What the server does by itself over time."""

from __future__ import annotations

import grpc
import pytest

from syncline.server.background import sweep
from syncline.storage import Store
from syncline.storage.errors import StoreUnavailable
from syncline.storage.models import DeviceState
from tests.harness.server import running_app
from tests.harness.wire import delete_note, error_of, keys, next_page, notes, wire_device


async def test_g10_deletes_stay_deleted_an_expired_device_resynchronises_in_full(store: Store) -> None:
    store.write_records("dev", notes(2))
    async with running_app(store, device_expiry_days=1e-12) as server, wire_device(server.address) as device:
        (page,) = await device.sync()
        store.write_records("dev", [delete_note("n0")])

        await sweep(server.environment)

        assert store.get_device("dev", device.uuid).state is DeviceState.EXPIRED
        assert store.get_floor("dev", "main", "") == 3
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await device.start(positions=page.feeds)
        assert error_of(caught.value) == (grpc.StatusCode.FAILED_PRECONDITION, "RESYNC_REQUIRED")
        assert keys(await device.sync(full_resync=True)) == ["n1"]


async def test_an_unreachable_store_does_not_end_the_watch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head is looked at again after a failure."""
    get_head, failures = store.get_head, 0

    def failing_get_head(account_id: str) -> object:
        nonlocal failures
        failures += 1
        if failures < 3:
            raise StoreUnavailable("not now")
        return get_head(account_id)

    monkeypatch.setattr(store, "get_head", failing_get_head)
    async with running_app(store, poll_seconds=0.01) as server, wire_device(server.address) as device:
        stream = device.stream(await device.start_id(always=True), follow=True)
        await next_page(stream)

        store.write_records("dev", notes(1))

        assert keys([await next_page(stream)]) == ["n0"]
        assert failures >= 3
        stream.cancel()
