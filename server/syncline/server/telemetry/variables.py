"""The variables `OTEL_*` that say where telemetry goes."""

from __future__ import annotations

import os
from typing import Literal

from syncline.server.errors import SettingsInvalid

Signal = Literal["TRACES", "METRICS"]
"""A kind of telemetry, as it stands in the names of variables."""


def telemetry_is_disabled() -> bool:
    """Has OpenTelemetry been switched off as a whole?"""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def exporters_named(signal: Signal) -> set[str]:
    """Those of `otlp` and `console` that are to get a kind of telemetry.

    Raises:
        SettingsInvalid: something else is named.
    """
    variable = f"OTEL_{signal}_EXPORTER"
    names = {name.strip() for name in os.environ.get(variable, "").split(",")} - {"", "none"}
    if unknown := names - {"otlp", "console"}:
        raise SettingsInvalid(f"{variable}: {min(unknown)} is not one of otlp, console, none")
    return names


def require_grpc(signal: Signal) -> None:
    """Refuse the other protocols of OTLP.

    Raises:
        SettingsInvalid: another one is asked for.
    """
    protocol = _of(signal, "PROTOCOL", "grpc")
    if protocol != "grpc":
        raise SettingsInvalid(f"OTEL_EXPORTER_OTLP_PROTOCOL: only grpc is spoken, not {protocol}")


def otlp_endpoint(signal: Signal) -> str:
    """Where a kind of telemetry goes by OTLP, for people."""
    return _of(signal, "ENDPOINT", "http://localhost:4317")


def _of(signal: Signal, name: str, default: str) -> str:
    general = os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", default)
    return os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_{name}", general)
