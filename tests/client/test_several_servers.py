"""One target with several servers: calls go to those that are ready."""

from __future__ import annotations

from uuid import uuid4

from syncline.client import AsyncSyncClient
from syncline.storage import open_store
from tests.harness.server import declare_notes, running_app

_CALLS = 6
"""In turn, both servers would be among them."""


async def test_calls_go_round_and_leave_a_server_that_drains() -> None:
    # Stores of their own, so that an answer tells whose it is: in the second one, there is no object type.
    stores = [open_store("memory:"), open_store("memory:")]
    declare_notes(stores[0])
    async with (
        running_app(stores[0]) as first,
        running_app(stores[1]) as second,
        AsyncSyncClient(f"ipv4:{first.address},{second.address}", uuid4()) as client,
    ):

        async def have_schema() -> set[bool]:
            return {await client.get_schema() is not None for _ in range(_CALLS)}

        # Which of them is connected first is open, as is when news of their health comes; the timeout ends a wait.
        while await have_schema() != {True, False}:
            pass
        await second.app.drain()
        while await have_schema() != {True}:
            pass
