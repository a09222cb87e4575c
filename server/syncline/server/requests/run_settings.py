"""Settings of an enrollment that are the runner's own; all others are the connector's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from syncline.data.errors import DataError
from syncline.data.schema import Field, FieldType, ObjectType
from syncline.data.schema_rules import check_object_type
from syncline.server.requests.connectors.contract import SCOPE_DEFAULT, ConnectorError

DELETE_LIMIT: Final = "delete_limit"
ERROR_LIMIT: Final = "error_limit"
SCHEMA: Final = "schema"
SCOPE: Final = "scope"
RUN_SETTING_NAMES: Final = frozenset({DELETE_LIMIT, ERROR_LIMIT, SCHEMA, SCOPE})

_INFERS: Final = {"declared": False, "inferred": True}


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run may do before it is stopped."""

    delete_limit: float = 0.2
    """The part of an enrollment's known sources that a full run may delete, from 0 to 1. More than that is
    likelier to be a source that could not be read than one that is nearly empty."""
    error_limit: int = 1_000
    """Rows that may fail."""
    infers_schema: bool = False
    """What the schema lacks is taken in before the first row is read."""
    scope: str = SCOPE_DEFAULT
    """Where object types go that are inferred."""


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
    schema = settings.get(SCHEMA, "declared")
    if not isinstance(schema, str) or schema not in _INFERS:
        raise ConnectorError(f"{SCHEMA}: must be one of {', '.join(_INFERS)}, not {schema!r:.40}", for_good=True)
    scope = _scope(settings.get(SCOPE, defaults.scope))
    others = {name: value for name, value in settings.items() if name not in RUN_SETTING_NAMES}
    return RunSettings(float(delete_limit), error_limit, _INFERS[schema], scope), others


def _scope(name: Any) -> str:
    try:
        if not isinstance(name, str):
            raise DataError("", f"must be a text, not {name!r:.40}")  # noqa: TRY301 - one way out
        check_object_type(ObjectType("any", name, (Field("any", FieldType.STRING),)))
    except DataError as error:
        raise ConnectorError(f"{SCOPE}: {error.rule}", for_good=True) from None
    return name
