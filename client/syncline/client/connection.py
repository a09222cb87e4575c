"""One connection to a server, and single calls over it: what the clients of all services share."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

import grpc

from syncline.client.channel import open_async_channel, open_channel
from syncline.client.endpoint import ServerEndpoint
from syncline.client.errors import ClientClosed
from syncline.client.failures import error_from_call

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Connection:
    """A connection for blocking calls. Threads may share it."""

    def __init__(self, endpoint: ServerEndpoint) -> None:
        self._endpoint = endpoint
        self._channel = open_channel(endpoint)
        self._closed = False

    def close(self) -> None:
        """End all calls and the connection. A second close does nothing."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: grpc.UnaryUnaryMultiCallable[_Request, _Response], request: _Request) -> _Response:
        self._check_open()
        try:
            return method(request, timeout=self._endpoint.deadline_s, metadata=self._endpoint.metadata())
        except grpc.RpcError as error:
            raise error_from_call(error) from error

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("the client is closed")


class AsyncConnection:
    """A connection for use inside one event loop."""

    def __init__(self, endpoint: ServerEndpoint) -> None:
        self._endpoint = endpoint
        self._channel: grpc.aio.Channel | None = None
        self._closed = False

    async def close(self) -> None:
        """End all calls and the connection. A second close does nothing."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _open_channel(self) -> grpc.aio.Channel:
        """The channel; it is opened on first use, because that has to happen inside the event loop."""
        if self._closed:
            raise ClientClosed("the client is closed")
        if self._channel is None:
            self._channel = open_async_channel(self._endpoint)
        return self._channel

    async def _call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response], request: _Request
    ) -> _Response:
        try:
            return await method(request, timeout=self._endpoint.deadline_s, metadata=self._endpoint.metadata())
        except grpc.RpcError as error:
            raise error_from_call(error) from error
