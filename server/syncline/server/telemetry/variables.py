"""The variables `OTEL_*` that say where telemetry goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal, TypeVar

from syncline.server.errors import SettingsInvalid

Signal = Literal["TRACES", "METRICS"]
"""A kind of telemetry, as it stands in the names of variables."""

_Exporter = TypeVar("_Exporter")


def telemetry_is_disabled() -> bool:
    """Has OpenTelemetry been switched off as a whole?"""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def make_exporters(
    signal: Signal, otlp: Callable[[], _Exporter], console: Callable[[], _Exporter]
) -> list[tuple[_Exporter, str]]:
    """The exporters that a kind of telemetry is to go to, each with the place where it goes, for people.

    Args:
        signal: The kind.
        otlp: Makes the exporter that speaks OTLP over gRPC.
        console: Makes the one that prints.

    Raises:
        SettingsInvalid: something else is named, another protocol is asked for, or a variable makes no sense to OTLP.
    """
    variable = f"OTEL_{signal}_EXPORTER"
    names = {name.strip() for name in os.environ.get(variable, "").split(",")} - {"", "none"}
    if unknown := names - {"otlp", "console"}:
        raise SettingsInvalid(f"{variable}: {min(unknown)} is not one of otlp, console, none")
    made: list[tuple[_Exporter, str]] = []
    if "otlp" in names:
        protocol = _of(signal, "PROTOCOL", "grpc")
        if protocol != "grpc":
            raise SettingsInvalid(f"OTEL_EXPORTER_OTLP_PROTOCOL: only grpc is spoken, not {protocol}")
        try:
            made.append((otlp(), _of(signal, "ENDPOINT", "http://localhost:4317")))
        except (ValueError, OSError) as error:
            raise SettingsInvalid(f"OTEL_EXPORTER_OTLP_*: {error}") from error
    if "console" in names:
        made.append((console(), "the console"))
    return made


def _of(signal: Signal, name: str, default: str) -> str:
    general = os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", default)
    return os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_{name}", general)
