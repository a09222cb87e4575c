"""Open streams of changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from syncline.client.endpoint import Metadata
from syncline.client.errors import CallCancelled, Failure
from syncline.client.failures import AsyncFailed, Failed
from syncline.client.tracing import allow_cancel
from syncline.client.upload_messages import AsyncOutgoing, Outgoing, Unanswered
from syncline.v1 import upload_pb2


class UploadStream:
    """One Upload call: messages of changes go out, and their answers come back in the same order.

    One thread at a time may send, one at a time receive. Leaving a `with` block tells the server that no more comes; if
    an exception is under way, it cancels the call. The call ends as well on `cancel`, by the server, and when nothing
    holds the stream any more (gRPC sees to that).
    """

    def __init__(
        self,
        method: grpc.StreamStreamMultiCallable[upload_pb2.UploadRequest, upload_pb2.UploadResponse],
        metadata: Metadata,
        store_epoch: str,
        failed: Failed,
    ) -> None:
        self._failed = failed
        self._unanswered = Unanswered(store_epoch)
        self._outgoing = Outgoing()
        self._call = method(self._outgoing, metadata=metadata)
        # gRPC's thread would wait for the next message even when the call has long ended.
        if not self._call.add_callback(self._outgoing.end):
            self._outgoing.end()

    @property
    def in_flight(self) -> int:
        """How many messages were sent and are not, or not completely, answered."""
        return len(self._unanswered)

    def send(self, changes: Sequence[upload_pb2.Change], settled_through: int = 0) -> None:
        """Send one message, which the server decides in one transaction. Waits for nothing.

        What the connection does not take yet stays in memory, so limit what is in flight. If the stream has ended,
        `receive` says why.

        Args:
            changes: In ascending order of their numbers, transactions whole; at most 1,000, and 8 MiB. With none, the
                message only tells `settled_through`, and is answered, too.
            settled_through: Up to which number the device has stored every verdict, or has given the number up.

        Raises:
            InvalidOption: no message can hold that.
            ClientClosed: the `with` block was left.
        """
        self._outgoing.put(self._unanswered.request(changes, settled_through))

    def receive(self) -> list[upload_pb2.ChangeAnswer]:
        """Wait for the answers of the oldest message that is not answered: one for each of its changes.

        Fewer if the stream has ended with an error about the next change; the next `receive` then raises it.

        Raises:
            NothingInFlight: every message was answered.
            AnswerMissing: the server ended the stream before it answered all.
            AnswerInvalid: the answers are not those of the changes sent.
            CallCancelled: by `cancel`, or by closing the client.
            SyncError: the stream has ended for another reason.
        """
        self._unanswered.check_in_flight()
        try:
            response = next(self._call)
        except StopIteration:
            raise self._unanswered.missing() from None
        except grpc.RpcError as error:
            raise self._failed(error) from error
        return self._unanswered.settle(response)

    def cancel(self) -> None:
        """End the call, whatever is in flight. May be called from another thread, and more than once."""
        if not self._unanswered:
            allow_cancel(self._call)
        self._call.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._unanswered.close()
        self._outgoing.end()
        if kind is not None:
            self.cancel()
        elif not self._unanswered:
            allow_cancel(self._call)  # it is, once nobody holds it


class AsyncUploadStream:
    """One Upload call: messages of changes go out, and their answers come back in the same order.

    Leaving an `async with` block tells the server that no more comes; if an exception is under way, it cancels the
    call. The call ends as well on `cancel`, by the server, and when nothing holds the stream any more.
    """

    def __init__(self, begin: Callable[[AsyncOutgoing], tuple[Any, AsyncFailed]], store_epoch: str) -> None:
        """Open the stream.

        Args:
            begin: Makes the call with these messages; answers it, and what makes its failure an error.
            store_epoch: See `AsyncSyncClient.upload`.
        """
        self._unanswered = Unanswered(store_epoch)
        outgoing = self._outgoing = AsyncOutgoing()
        self._call, self._failed = begin(outgoing)
        # gRPC's task would wait for the next message even when the call has long ended.
        self._call.add_done_callback(lambda _: outgoing.end())

    @property
    def in_flight(self) -> int:
        """How many messages were sent and are not, or not completely, answered."""
        return len(self._unanswered)

    async def send(self, changes: Sequence[upload_pb2.Change], settled_through: int = 0) -> None:
        """Send one message, which the server decides in one transaction. Waits for nothing.

        What the connection does not take yet stays in memory, so limit what is in flight. If the stream has ended,
        `receive` says why.

        Args:
            changes: In ascending order of their numbers, transactions whole; at most 1,000, and 8 MiB. With none, the
                message only tells `settled_through`, and is answered, too.
            settled_through: Up to which number the device has stored every verdict, or has given the number up.

        Raises:
            InvalidOption: no message can hold that.
            ClientClosed: the `async with` block was left.
        """
        self._outgoing.put(self._unanswered.request(changes, settled_through))

    async def receive(self) -> list[upload_pb2.ChangeAnswer]:
        """Wait for the answers of the oldest message that is not answered: one for each of its changes.

        Fewer if the stream has ended with an error about the next change; the next `receive` then raises it.

        Raises:
            NothingInFlight: every message was answered.
            AnswerMissing: the server ended the stream before it answered all.
            AnswerInvalid: the answers are not those of the changes sent.
            CallCancelled: by `cancel`, or by closing the client.
            SyncError: the stream has ended for another reason.
        """
        self._unanswered.check_in_flight()
        try:
            response = await self._call.read()
        except grpc.RpcError as error:
            raise await self._failed(error) from error
        except asyncio.CancelledError:
            # gRPC raises this for a call that was cancelled as well as in a task that is being cancelled.
            task = asyncio.current_task()
            if self._call.cancelled() and not (task is not None and task.cancelling()):
                raise CallCancelled("the upload was cancelled", Failure(status=grpc.StatusCode.CANCELLED)) from None
            raise
        if not isinstance(response, upload_pb2.UploadResponse):  # gRPC's end-of-file mark
            raise self._unanswered.missing()
        return self._unanswered.settle(response)

    def cancel(self) -> None:
        """End the call, whatever is in flight. May be called more than once."""
        if not self._unanswered:
            allow_cancel(self._call)
        self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._unanswered.close()
        self._outgoing.end()
        if kind is not None:
            self.cancel()
        elif not self._unanswered:
            allow_cancel(self._call)  # it is, once nobody holds it

    def __del__(self) -> None:
        # gRPC's own asyncio call is part of a cycle, so that it would live on until the next garbage collection.
        with contextlib.suppress(RuntimeError):  # the event loop is closed, and the call with it
            self._outgoing.end()
            self._call.cancel()
