"""How a call ended."""

from __future__ import annotations

import grpc

from syncline.server.interceptors.context import CallContext

_DEADLINE_MARGIN_SECONDS = 0.05
"""A caller counts from earlier on than the server does, and ends the call when its own count is over."""


def status_of(context: CallContext, *, failed: bool) -> grpc.StatusCode:
    """The status of a call that is over.

    Args:
        context: Of the call, in a callback on its end.
        failed: Did the handler raise something that is no status? gRPC answers UNKNOWN then and does not note it.
    """
    told: grpc.StatusCode | None = context.code()
    if told:
        return told  # to hand it out may have failed: its caller had left
    if failed:
        return grpc.StatusCode.UNKNOWN
    if context.done():
        return grpc.StatusCode.OK
    left = context.time_remaining()
    if left is not None and left < _DEADLINE_MARGIN_SECONDS:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED
