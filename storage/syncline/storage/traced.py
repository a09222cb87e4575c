"""A store whose calls are measured, and are spans when a traced piece of work calls it, and only then.

The span of a call is never the current one: records that are written carry the context of the work that wrote them.
No span tells any data, or a name of a record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar, cast

from opentelemetry import trace

from syncline.data import telemetry
from syncline.storage.contract import (
    AccountStore,
    AcknowledgementStore,
    ApiKeyStore,
    AuditStore,
    CollectionStore,
    DeviceStore,
    DiagnosticsStore,
    EnrollmentStore,
    QueueStore,
    ReconcileStore,
    RecordStore,
    ScheduleStore,
    SchemaStore,
    ServerSecretStore,
    StatisticsStore,
    Store,
    SyncRequestStore,
    UploadStore,
    WorkStore,
)
from syncline.storage.errors import StoreError, StoreUnavailable
from syncline.storage.measured_calls import measured_call
from syncline.storage.models import AckOutcome, QueueRead, WriteResult
from syncline.storage.upload_models import UploadOutcome

P = ParamSpec("P")
T = TypeVar("T")

_COLLECTIONS: Final[Mapping[type, str]] = {
    AccountStore: "account",
    AcknowledgementStore: "device_position",
    AuditStore: "audit_entry",
    ApiKeyStore: "api_key",
    CollectionStore: "record",
    DeviceStore: "device",
    DiagnosticsStore: "record",
    EnrollmentStore: "app_enrollment",
    QueueStore: "record",
    ReconcileStore: "record",
    RecordStore: "record",
    ScheduleStore: "app_enrollment",
    SchemaStore: "object_type",
    ServerSecretStore: "server_secret",
    StatisticsStore: "device_position",
    SyncRequestStore: "sync_request",
    UploadStore: "record",
    WorkStore: "sync_request",
}
"""The table that the calls of each part of the contract are mostly about."""

_tracer = trace.get_tracer(telemetry.SCOPE)


def traced(store: Store, system: str) -> Store:
    """The store, with its calls measured, and a span for each that is made within one.

    Args:
        store: does the work. It is closed with what this answers.
        system: its database, as the semantic conventions call it: `postgresql`, `sqlite`.
    """
    return cast("Store", _TracedStore(store, system))


def traced_calls() -> dict[str, str]:
    """The calls of the contract that are traced, each with its table."""
    themes = [theme for theme in Store.__mro__ if theme is not Store and theme.__module__ not in ("typing", "builtins")]
    return {name: _COLLECTIONS[theme] for theme in themes for name in vars(theme) if not name.startswith("_")}


class _TracedStore:
    """Has the methods of the store that it was made of."""

    def __init__(self, store: Store, system: str) -> None:
        self.check_version = store.check_version
        self.close = store.close
        for name, collection in traced_calls().items():
            call = measured_call(getattr(store, name), name, system)
            setattr(self, name, _traced_call(call, name, collection, system))


def _traced_call(call: Callable[P, T], name: str, collection: str, system: str) -> Callable[P, T]:
    attributes = {
        telemetry.DB_SYSTEM_NAME: system,
        telemetry.DB_OPERATION_NAME: name,
        telemetry.DB_COLLECTION_NAME: collection,
    }
    span_name = f"{name} {collection}"

    def traced_call(*args: P.args, **kwargs: P.kwargs) -> T:
        if not trace.get_current_span().is_recording():
            return call(*args, **kwargs)
        span = _tracer.start_span(span_name, kind=trace.SpanKind.CLIENT, attributes=attributes)
        try:
            result = call(*args, **kwargs)
            _count(span, result)
        except BaseException as error:
            span.set_attribute(telemetry.ERROR_TYPE, type(error).__qualname__)
            if isinstance(error, StoreUnavailable) or not isinstance(error, StoreError):
                span.set_status(trace.StatusCode.ERROR)  # any other error is an answer
            raise
        finally:
            span.end()
        return result

    return traced_call


def _count(span: trace.Span, result: Any) -> None:
    """Say how much was asked for or came back, where that is more than one."""
    if isinstance(result, list):
        span.set_attribute(telemetry.DB_RESPONSE_RETURNED_ROWS, len(result))
    elif isinstance(result, QueueRead):
        rows = len(result.redelivered) + sum(len(each.items) for each in result.slices)
        span.set_attribute(telemetry.DB_RESPONSE_RETURNED_ROWS, rows)
    elif isinstance(result, WriteResult):
        span.set_attribute(telemetry.DB_OPERATION_BATCH_SIZE, len(result.outcomes))
    elif isinstance(result, UploadOutcome):
        span.set_attribute(telemetry.DB_OPERATION_BATCH_SIZE, len(result.answers))
    elif isinstance(result, AckOutcome):
        span.set_attribute(telemetry.DB_OPERATION_BATCH_SIZE, len(result.taken) + len(result.redelivered_taken))
