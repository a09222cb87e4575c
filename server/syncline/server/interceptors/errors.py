"""Turns exceptions into statuses. Handlers raise; nothing but this answers an error."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn
from uuid import uuid4

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from syncline.data import metrics
from syncline.server.errors import OverLimit, TooManyCalls
from syncline.server.interceptors import details
from syncline.server.interceptors.context import CallContext
from syncline.server.interceptors.error_table import row_of
from syncline.server.interceptors.wrapping import Handler, is_ours, wrap_handler
from syncline.server.telemetry.instruments import counter
from syncline.storage.errors import LimitReached

_log = structlog.get_logger(__name__)
_REFUSALS = counter(metrics.REFUSALS)
_NO_WORD = re.compile(r"\W+")


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers each error as the table says; what is not in the table stays in the log, under a request id."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None:
            return handler
        answering = _answering_errors if is_ours(method) else _answering_what_is_no_message
        return wrap_handler(handler, lambda context: answering(method, context))


@asynccontextmanager
async def _answering_errors(method: str, context: CallContext) -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  the one place where every error ends
        await _answer(error, method, context)


@asynccontextmanager
async def _answering_what_is_no_message(method: str, context: CallContext) -> AsyncIterator[None]:
    """For services that answer for themselves: only what is none of their messages never gets to them."""
    try:
        yield
    except DecodeError as error:
        await _answer(error, method, context)


async def _answer(error: Exception, method: str, context: CallContext) -> NoReturn:
    row = row_of(error)
    if row is None:
        identity = uuid4().hex
        _log.error("call failed", method=method, request_id=identity, exc_info=error)
        message = f"the server failed; its log has the details under {identity}"
        _REFUSALS.add(1, {metrics.REASON: "INTERNAL_ERROR", metrics.LIMIT: ""})
        info = details.error_info("INTERNAL_ERROR")
        await _abort(context, grpc.StatusCode.INTERNAL, message, [info, details.request_id(identity)])
    limit = error.subject if isinstance(error, OverLimit | TooManyCalls | LimitReached) else ""
    _REFUSALS.add(1, {metrics.REASON: row.reason, metrics.LIMIT: _NO_WORD.sub("_", limit)})
    _log.debug("call refused", method=method, reason=row.reason, error=str(error))
    info = details.error_info(row.reason, row.metadata(error))
    await _abort(context, row.code, row.message(error), [info, *row.details(error)])


async def _abort(context: CallContext, code: grpc.StatusCode, message: str, more: Sequence[Message]) -> NoReturn:
    await context.abort_with_status(rpc_status.to_status(details.status(code, message, more)))
