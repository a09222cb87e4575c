"""WatchSyncRequest: a request, whenever it changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from syncline.server.environment import Environment
from syncline.server.requests.convert import request_message
from syncline.v1 import sync_request_pb2


async def watch_request(env: Environment, request_id: str) -> AsyncGenerator[sync_request_pb2.SyncRequest, None]:
    """The request as it stands, then as it stands after changes, and in the end as it ended.

    A watcher that is slow, or changes that come fast, miss states in between; the last one always comes.

    Raises:
        RequestNotFound: no such request.
        Draining: the server is stopping.
    """
    told: sync_request_pb2.SyncRequest | None = None
    with env.notifier.listen_requests(env.account_id) as listener:
        while True:
            env.drain.check()
            request = await env.threads.run(env.store.get_request, env.account_id, request_id)
            message = request_message(request, env.account_id)
            if message != told:
                told = message
                yield message
            if request.status.is_final:
                return
            # Other processes change requests, too, and not all of their hints come here.
            await listener.wait(env.settings.poll_seconds)
