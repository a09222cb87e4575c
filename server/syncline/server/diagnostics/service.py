"""DiagnosticsService: convert, call, convert."""

from __future__ import annotations

from syncline.server.diagnostics.explain_delivery import delivery_question, explain_delivery
from syncline.server.environment import Environment
from syncline.server.interceptors.context import CallContext
from syncline.v1 import diagnostics_service_pb2, diagnostics_service_pb2_grpc


class DiagnosticsServicer(diagnostics_service_pb2_grpc.DiagnosticsServiceServicer):
    """Answers people who operate the system."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    async def ExplainDelivery(  # noqa: N802  the contract's name
        self, request: diagnostics_service_pb2.ExplainDeliveryRequest, context: CallContext
    ) -> diagnostics_service_pb2.ExplainDeliveryResponse:
        """See the contract."""
        del context
        return await explain_delivery(self._env, delivery_question(request))
