"""Holds each caller to its limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from syncline.server.admission.caller_limits import CallerLimits
from syncline.server.identity.caller import current_caller
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.own_methods import OwnMethodsInterceptor
from syncline.server.interceptors.wrapping import Handler, is_streaming, wrap_handler

UPLOADING: Final = frozenset(
    {
        "/syncline.v1.SyncService/Upload",
        "/syncline.v1.SyncRequestService/CreateBatchImport",
        "/syncline.v1.SyncRequestService/UploadBatch",
        "/syncline.v1.SyncRequestService/WriteSyncRequestRows",
    }
)
"""Methods whose messages bring records."""


class AdmissionInterceptor(OwnMethodsInterceptor):
    """Refuses what is beyond a caller's limits. Must stand inside the interceptor that names the caller."""

    def __init__(self, limits: CallerLimits) -> None:
        self._limits = limits

    def around(self, handler: Handler, method: str) -> Handler:
        """See `OwnMethodsInterceptor`."""
        guard = self._admit_stream if is_streaming(handler) else self._admit_call
        return wrap_handler(handler, guard, weigh=self._weigh if method in UPLOADING else None)

    @asynccontextmanager
    async def _admit_call(self, _: CallContext) -> AsyncIterator[None]:
        self._limits.admit_call(current_caller())
        yield

    @asynccontextmanager
    async def _admit_stream(self, _: CallContext) -> AsyncIterator[None]:
        caller = current_caller()
        with self._limits.stream(caller):
            self._limits.admit_call(caller)
            yield

    async def _weigh(self, size_bytes: int) -> None:
        await self._limits.pace_upload(current_caller(), size_bytes)
