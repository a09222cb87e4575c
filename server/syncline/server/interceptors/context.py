"""The type of a call's context."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc

CallContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
