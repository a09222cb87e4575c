"""One connection to a server, and single calls over it: what the clients of all services share."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from syncline.client.backoff import CallPatience
from syncline.client.channel import open_async_channel, open_channel
from syncline.client.endpoint import Metadata, ServerEndpoint
from syncline.client.errors import ClientClosed, LimitReached, SyncError, Unauthenticated
from syncline.client.failures import AsyncFailed, Failed, error_from_call
from syncline.client.opening import OpeningCall
from syncline.client.tokens import AsyncTokens, Tokens

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Connection:
    """A connection for blocking calls. Threads may share it."""

    def __init__(self, endpoint: ServerEndpoint) -> None:
        self._endpoint = endpoint
        self._tokens = Tokens(endpoint.token)
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
        """Make a single call; again after a moment, if it is one too many for now."""
        patience = CallPatience()
        while True:
            try:
                return self._call_now(method, request)
            except LimitReached as error:
                time.sleep(patience.delay_after(error))

    def _call_now(self, method: grpc.UnaryUnaryMultiCallable[_Request, _Response], request: _Request) -> _Response:
        """Make a single call; once more with another token if the server refuses the first."""
        self._check_open()
        metadata, failed = self._credentials()
        try:
            return method(request, timeout=self._endpoint.deadline_s, metadata=metadata)
        except grpc.RpcError as call:
            error = failed(call)
            if not (isinstance(error, Unauthenticated) and error.renewed):
                raise error from call
        try:
            return method(request, timeout=self._endpoint.deadline_s, metadata=self._credentials()[0])
        except grpc.RpcError as call:
            raise error_from_call(call) from call

    def _credentials(self) -> tuple[Metadata, Failed]:
        """The metadata of one call, and what makes its failure an error.

        Raises:
            InvalidOption: the token cannot be sent in a header.
            TokenUnavailable: the function that gives it failed.
        """
        token = self._tokens.current()
        return self._endpoint.metadata(token), partial(self._error, token)

    def _error(self, token: str | None, call: grpc.RpcError) -> SyncError:
        error = error_from_call(call)
        if isinstance(error, Unauthenticated):
            error.renewed = self._tokens.renew(token)
        return error

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("the client is closed")


class AsyncConnection:
    """A connection for use inside one event loop."""

    def __init__(self, endpoint: ServerEndpoint) -> None:
        self._endpoint = endpoint
        self._tokens = AsyncTokens(endpoint.token)
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
        """See `Connection`."""
        patience = CallPatience()
        while True:
            try:
                return await self._call_now(method, request)
            except LimitReached as error:
                await asyncio.sleep(patience.delay_after(error))

    async def _call_now(
        self, method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response], request: _Request
    ) -> _Response:
        """Make a single call; once more with another token if the server refuses the first."""
        metadata, failed = await self._credentials()
        try:
            return await method(request, timeout=self._endpoint.deadline_s, metadata=metadata)
        except grpc.RpcError as call:
            error = await failed(call)
            if not (isinstance(error, Unauthenticated) and error.renewed):
                raise error from call
        metadata, _ = await self._credentials()
        try:
            return await method(request, timeout=self._endpoint.deadline_s, metadata=metadata)
        except grpc.RpcError as call:
            raise error_from_call(call) from call

    async def _credentials(self) -> tuple[Metadata, AsyncFailed]:
        """See `Connection`."""
        token = await self._tokens.current()
        return self._endpoint.metadata(token), partial(self._error, token)

    def _open_stream(self, method: Any, request: Any) -> tuple[Any, AsyncFailed]:
        """Open a stream, at once if nobody need be asked for a token; with what makes its failure an error."""
        if self._tokens.is_ready():
            token = self._tokens.ready()
            return method(request, metadata=self._endpoint.metadata(token)), partial(self._error, token)
        used: list[str | None] = [None]

        async def begin() -> Any:
            used[0] = token = await self._tokens.current()
            return method(request, metadata=self._endpoint.metadata(token))

        async def failed(call: grpc.RpcError) -> SyncError:
            return await self._error(used[0], call)

        return OpeningCall(begin()), failed

    async def _error(self, token: str | None, call: grpc.RpcError) -> SyncError:
        error = error_from_call(call)
        if isinstance(error, Unauthenticated):
            error.renewed = await self._tokens.renew(token)
        return error
