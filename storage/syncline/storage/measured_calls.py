"""How long the calls of a store take. Without metrics a call costs less than a microsecond more."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import ParamSpec, TypeVar

from syncline.data import metrics, telemetry
from syncline.storage.errors import StoreError, StoreUnavailable
from syncline.storage.instruments import histogram

P = ParamSpec("P")
T = TypeVar("T")

_DURATION = histogram(metrics.STORE_CALL_DURATION)


def measured_call(call: Callable[P, T], name: str, system: str) -> Callable[P, T]:
    """The call, with its durations told under its name and that of its database."""
    labels = {telemetry.DB_SYSTEM_NAME: system, telemetry.DB_OPERATION_NAME: name}

    def measured(*args: P.args, **kwargs: P.kwargs) -> T:
        begun = perf_counter()
        try:
            result = call(*args, **kwargs)
        except BaseException as error:
            failed = isinstance(error, StoreUnavailable) or not isinstance(error, StoreError)
            # Any other error is an answer.
            kind = {telemetry.ERROR_TYPE: type(error).__qualname__} if failed else {}
            _DURATION.record(perf_counter() - begun, labels | kind)
            raise
        _DURATION.record(perf_counter() - begun, labels)
        return result

    return measured
