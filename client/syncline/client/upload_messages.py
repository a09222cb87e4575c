"""What both upload streams have in common: messages on their way, and which of them are not answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from queue import SimpleQueue

from syncline.client.errors import AnswerInvalid, AnswerMissing, ClientClosed, NothingInFlight
from syncline.client.requests import upload_request
from syncline.v1 import upload_pb2


class Unanswered:
    """What was sent and is not answered; the same for both streams."""

    def __init__(self, store_epoch: str) -> None:
        self._store_epoch = store_epoch
        """Told with the first message; empty from then on."""
        self._messages: deque[tuple[int, ...]] = deque()
        """The numbers of the changes of each, oldest first."""
        self._closed = False

    def __len__(self) -> int:
        return len(self._messages)

    def request(self, changes: Sequence[upload_pb2.Change], settled_through: int) -> upload_pb2.UploadRequest:
        """The next message, which counts as sent."""
        if self._closed:
            raise ClientClosed("the upload was left: nothing more can be sent on it")
        request = upload_request(changes, settled_through=settled_through, store_epoch=self._store_epoch)
        self._store_epoch = ""
        self._messages.append(tuple(change.change_seq for change in request.changes))
        return request

    def close(self) -> None:
        """Nothing more is to be sent."""
        self._closed = True

    def check_in_flight(self) -> None:
        """Refuse to wait for what will not come."""
        if not self._messages:
            raise NothingInFlight("every message of the upload was answered")

    def settle(self, response: upload_pb2.UploadResponse) -> list[upload_pb2.ChangeAnswer]:
        """The answers to the oldest message. If they are fewer than its changes, the rest of it stays in flight."""
        expected = self._messages.popleft()
        answers = list(response.answers)
        numbers = tuple(answer.change_seq for answer in answers)
        if numbers != expected[: len(numbers)]:
            raise AnswerInvalid(f"the answers are those of the changes {numbers}, expected were {expected}")
        if len(numbers) < len(expected):
            self._messages.appendleft(expected[len(numbers) :])
        return answers

    def missing(self) -> AnswerMissing:
        """The error for a stream that has ended too soon."""
        return AnswerMissing(f"the server ended the upload while {len(self)} of its messages were not answered")


class Outgoing(Iterator[upload_pb2.UploadRequest]):
    """Messages on their way to gRPC, which takes them in a thread of its own."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[upload_pb2.UploadRequest | None] = SimpleQueue()

    def put(self, request: upload_pb2.UploadRequest) -> None:
        """Let this be the next."""
        self._queue.put(request)

    def end(self) -> None:
        """Let what was put be the last; a second end does nothing."""
        self._queue.put(None)

    def __next__(self) -> upload_pb2.UploadRequest:
        request = self._queue.get()
        if request is None:
            raise StopIteration
        return request


class AsyncOutgoing(AsyncIterator[upload_pb2.UploadRequest]):
    """Messages on their way to gRPC, which takes them in a task of its own."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[upload_pb2.UploadRequest | None] = asyncio.Queue()

    def put(self, request: upload_pb2.UploadRequest) -> None:
        """Let this be the next."""
        self._queue.put_nowait(request)

    def end(self) -> None:
        """Let what was put be the last; a second end does nothing."""
        self._queue.put_nowait(None)

    async def __anext__(self) -> upload_pb2.UploadRequest:
        request = await self._queue.get()
        if request is None:
            raise StopAsyncIteration
        return request
