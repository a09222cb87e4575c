"""Settings of an enrollment that are the runner's own; all others are the connector's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from syncline.server.requests.connectors.contract import ConnectorError

DELETE_LIMIT: Final = "delete_limit"
ERROR_LIMIT: Final = "error_limit"
RUN_SETTING_NAMES: Final = frozenset({DELETE_LIMIT, ERROR_LIMIT})


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run may do before it is stopped."""

    delete_limit: float = 0.2
    """The part of an enrollment's known sources that a full run may delete, from 0 to 1. More than that is
    likelier to be a source that could not be read than one that is nearly empty."""
    error_limit: int = 1_000
    """Rows that may fail."""


def split_settings(settings: Mapping[str, Any]) -> tuple[RunSettings, dict[str, Any]]:
    """The runner's settings, and those that go to the connector.

    Raises:
        ConnectorError: one of the runner's has no sound value.
    """
    defaults = RunSettings()
    delete_limit = settings.get(DELETE_LIMIT, defaults.delete_limit)
    if isinstance(delete_limit, bool) or not isinstance(delete_limit, int | float) or not 0 <= delete_limit <= 1:
        raise ConnectorError(f"{DELETE_LIMIT}: must be a number from 0 to 1, not {delete_limit!r:.40}", for_good=True)
    error_limit = settings.get(ERROR_LIMIT, defaults.error_limit)
    if isinstance(error_limit, bool) or not isinstance(error_limit, int) or error_limit < 0:
        raise ConnectorError(f"{ERROR_LIMIT}: must be a whole number, not {error_limit!r:.40}", for_good=True)
    others = {name: value for name, value in settings.items() if name not in RUN_SETTING_NAMES}
    return RunSettings(float(delete_limit), error_limit), others
