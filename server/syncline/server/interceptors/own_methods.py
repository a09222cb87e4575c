"""What interceptors of this project's methods have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable

import grpc

from syncline.server.interceptors.wrapping import Handler, is_ours


class OwnMethodsInterceptor(grpc.aio.ServerInterceptor):
    """Stands around the calls of methods of this project that there are; the others are left as they are."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        return handler if handler is None or not is_ours(method) else self.around(handler, method)

    @abstractmethod
    def around(self, handler: Handler, method: str) -> Handler:
        """The handler of a method, with what the interceptor does around its calls."""
