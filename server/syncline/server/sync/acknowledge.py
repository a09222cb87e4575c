"""Acknowledge: what a device has stored durably, and what it cannot take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from opentelemetry import trace

from syncline.data import metrics, telemetry
from syncline.server import tokens
from syncline.server.environment import Environment, now_us
from syncline.server.identity.caller import current_caller
from syncline.server.identity.visible import read_visible_schema, visible_refusals
from syncline.server.telemetry.instruments import histogram
from syncline.storage.models import AckOutcome, Refusal, Rejection

_LATENCY = histogram(metrics.DELIVERY_LATENCY)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What came of it."""

    acknowledged: int
    """Keys that told anything new."""
    stale: int
    """Keys and refusals that had no effect."""
    rejections: tuple[Rejection, ...]


async def acknowledge(
    env: Environment, device_uuid: UUID, ack_keys: Sequence[str], refusals: Sequence[Refusal]
) -> Acknowledged:
    """Take acknowledgements and refusals; durable when it returns. Wakes the device's stream.

    Raises:
        ResyncRequired: the device has expired.
        LimitReached: too many gaps or rejections would be left.
    """
    sealer = env.sealer(device_uuid)
    keys = [tokens.decode_ack_key(sealer, key) for key in ack_keys]
    known = [key for key in keys if key is not None]
    taken_up = refusals
    if refusals and current_caller().buckets is not None:
        taken_up = visible_refusals(await env.threads.run(read_visible_schema, env), refusals)
    intervals = [interval for key in known for interval in key.intervals]
    loading = env.first_syncs.is_loading((env.account_id, device_uuid))
    run = env.threads.run_for_first_sync if loading else env.threads.run
    outcome = await run(
        env.store.acknowledge,
        env.account_id,
        device_uuid,
        intervals,
        [item for key in known for item in key.redelivered],
        taken_up,
        now=now_us(),
    )
    env.notifier.acknowledged(env.account_id, device_uuid)
    news = [interval for interval, taken in zip(intervals, outcome.taken, strict=True) if taken]
    for written_at in env.windows.taken(env.account_id, device_uuid, news):
        _LATENCY.record(max(0, now_us() - written_at) / 1_000_000)
    taken = _count_taken(known, outcome)
    stale = len(keys) - taken + len(refusals) - outcome.refusals_taken.count(True)
    span = trace.get_current_span()
    span.set_attribute(telemetry.ACKNOWLEDGED, taken)
    span.set_attribute(telemetry.STALE, stale)
    span.set_attribute(telemetry.REFUSED, len(refusals))
    return Acknowledged(acknowledged=taken, stale=stale, rejections=outcome.rejections)


def _count_taken(keys: Iterable[tokens.AckKey], outcome: AckOutcome) -> int:
    """A key is taken if any part of it told something new."""
    intervals, redelivered = iter(outcome.taken), iter(outcome.redelivered_taken)
    count = 0
    for key in keys:
        parts = [next(intervals) for _ in key.intervals] + [next(redelivered) for _ in key.redelivered]
        count += any(parts)
    return count
