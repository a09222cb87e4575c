"""ExplainDelivery: where a record stands on its way to a device."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from syncline.data import trace_context
from syncline.server import limits
from syncline.server.convert_time import timestamp
from syncline.server.diagnostics.delivery import Standing, Step, explain, is_acknowledged, position_of
from syncline.server.diagnostics.words import facts_in_words
from syncline.server.environment import Environment, now_us
from syncline.server.requests.convert import STATUSES
from syncline.server.violations import Violations
from syncline.storage.delivery_models import DeliveryFacts
from syncline.v1 import diagnostics_service_pb2


@dataclass(frozen=True, slots=True)
class DeliveryQuestion:
    """What is asked for."""

    object_type: str
    key: str
    device_uuid: UUID


def delivery_question(request: diagnostics_service_pb2.ExplainDeliveryRequest) -> DeliveryQuestion:
    """Raise `InvalidRequest` unless every field keeps its rule."""
    found = Violations()
    found.text("object_type", request.object_type, limits.OBJECT_TYPE_CHARS_MAX, required=True)
    found.text("key", request.key, limits.RECORD_KEY_CHARS_MAX)
    device_uuid = found.uuid("device_uuid", request.device_uuid, required=True)
    found.raise_if_any()
    return DeliveryQuestion(request.object_type, request.key, UUID(device_uuid))


async def explain_delivery(
    env: Environment, question: DeliveryQuestion
) -> diagnostics_service_pb2.ExplainDeliveryResponse:
    """The step, with all that is known."""
    facts = await env.threads.run(
        env.store.read_delivery, env.account_id, question.device_uuid, question.object_type, question.key
    )
    now = now_us()
    standing = explain(facts, now=now, on_their_way=env.windows.on_their_way(env.account_id, question.device_uuid))
    return _response(facts, standing, now)


def _response(facts: DeliveryFacts, standing: Standing, now: int) -> diagnostics_service_pb2.ExplainDeliveryResponse:
    response = diagnostics_service_pb2.ExplainDeliveryResponse(
        step=_number(standing.step),
        since_time=timestamp(standing.since) if standing.since else None,
        read_time=timestamp(now),
        acknowledged=is_acknowledged(facts),
        scope=facts.scope or "",
        reason=standing.reason,
        session_id=standing.session_id,
        facts=facts_in_words(facts, standing),
    )
    position = position_of(facts)
    if position is not None:
        response.acknowledged_through = position.acked_through
    if standing.delete_step is not None:
        response.delete_step = _number(standing.delete_step)
    if facts.record is not None:
        response.revision, response.bucket = facts.record.revision, facts.record.feed.bucket
        ids = trace_context.decode(facts.record.trace_context or "")
        response.trace_id = "" if ids is None else f"{ids[0]:032x}"
    if standing.bringer is not None:
        response.sync_request_id = standing.bringer.request.request_id
        response.sync_request_status = STATUSES[standing.bringer.request.status]
    if facts.device is not None:
        response.last_contact_time.CopyFrom(timestamp(facts.device.last_contact))
    return response


def _number(step: Step) -> diagnostics_service_pb2.DeliveryStep.ValueType:
    return diagnostics_service_pb2.DeliveryStep.Value(f"DELIVERY_STEP_{step.value}")
