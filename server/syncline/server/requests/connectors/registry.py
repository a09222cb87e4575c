"""The connectors that are installed. They are found by entry point, so that applications can add theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from syncline.server.errors import ConnectorNotFound, SettingsInvalid
from syncline.server.requests.connectors.contract import Connector
from syncline.storage.request_models import EXTERNAL_CONNECTOR, Operation

ENTRY_POINT_GROUP: Final = "syncline.connectors"

_EXTERNAL_DESCRIPTION = "A system that a worker outside serves, by LeaseSyncRequest."


@dataclass(frozen=True, slots=True)
class ConnectorInfo:
    """What is told of a connector."""

    name: str
    description: str
    operations: frozenset[Operation]


class Connectors:
    """All connectors by name, and `external`, which has no code here."""

    def __init__(self, installed: Mapping[str, Connector]) -> None:
        self._installed = dict(installed)

    def infos(self) -> list[ConnectorInfo]:
        """What there is, by name."""
        return [self.info(name) for name in sorted({*self._installed, EXTERNAL_CONNECTOR})]

    def info(self, name: str) -> ConnectorInfo:
        """What is told of one connector, or `ConnectorNotFound`."""
        if name == EXTERNAL_CONNECTOR:
            return ConnectorInfo(name, _EXTERNAL_DESCRIPTION, frozenset(Operation))
        connector = self.get(name)
        return ConnectorInfo(name, connector.description, connector.operations)

    def get(self, name: str) -> Connector:
        """The connector's code, or `ConnectorNotFound`; `external` has none."""
        connector = self._installed.get(name)
        if connector is None:
            known = ", ".join(sorted({*self._installed, EXTERNAL_CONNECTOR}))
            raise ConnectorNotFound(name, f"there is no connector {name!r} here; known: {known}")
        return connector

    def need_operation(self, name: str, operation: Operation) -> None:
        """Raise `ConnectorNotFound` unless the connector is here and can do this."""
        info = self.info(name)
        if operation not in info.operations:
            able = ", ".join(sorted(one.value for one in info.operations))
            raise ConnectorNotFound(name, f"the connector {name!r} cannot {operation.value}; it can: {able}")


def load_connectors() -> Connectors:
    """Load all that are installed.

    Raises:
        SettingsInvalid: one cannot be imported, is none, or is named otherwise than its entry point.
    """
    return Connectors({entry.name: _load(entry) for entry in entry_points(group=ENTRY_POINT_GROUP)})


def _load(entry: EntryPoint) -> Connector:
    try:
        connector: Connector = entry.load()
    except Exception as error:
        raise SettingsInvalid(f"the connector {entry.name!r} ({entry.value}) cannot be loaded: {error}") from error
    needed = ("name", "description", "operations", "check_settings", "read", "write", "discover", "check")
    missing = [name for name in needed if not hasattr(connector, name)]
    if missing:
        raise SettingsInvalid(f"the connector {entry.name!r} ({entry.value}) has no {', '.join(missing)}")
    if connector.name != entry.name or entry.name == EXTERNAL_CONNECTOR:
        raise SettingsInvalid(f"the connector {connector.name!r} ({entry.value}) is installed as {entry.name!r}")
    return connector
