"""The settings of an enrollment whose connector is `singer`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from syncline.server.requests.connectors.contract import ConnectorError
from syncline.server.requests.connectors.singer.limits import SILENCE_SECONDS

_PROGRAM = re.compile(r"(?P<environment>[A-Za-z0-9][A-Za-z0-9._-]*)/(?P<program>[A-Za-z0-9][A-Za-z0-9._-]*)")


class StreamSettings(BaseModel):
    """One stream of a tap that is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    object_type: str
    replication_key: str = ""
    """The column by which a delta run finds what changed; empty: the stream is read whole each time."""
    leave_out: frozenset[str] = frozenset()
    """Columns that are no fields of the object type, such as the replication key."""


def _stream(value: Any) -> Any:
    return {"object_type": value} if isinstance(value, str) else value


class SingerSettings(BaseModel):
    """What is run, and what of it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tap: str = ""
    """For READ: ENVIRONMENT/PROGRAM, such as `meltanolabs-tap-postgres/tap-postgres`."""
    target: str = ""
    """For WRITE, likewise."""
    config: dict[str, Any] = Field(default_factory=dict)
    """The tap's or target's own; the enrollment's secrets are added under their names, a dot leading into an object."""
    streams: dict[str, Annotated[StreamSettings, BeforeValidator(_stream)]] = Field(default_factory=dict)
    """For READ: by the stream's name, the object type that its rows are. Empty: none is chosen yet."""
    object_types: list[str] = Field(default_factory=list)
    """For WRITE: what is written; empty: everything."""
    silence_seconds: float = Field(default=SILENCE_SECONDS, gt=0)
    """After so much silence a tap counts as hanging."""


def parse_settings(settings: Mapping[str, Any]) -> SingerSettings:
    """Read the settings.

    Raises:
        ConnectorError: an entry is wrong or missing; all of them are named.
    """
    try:
        parsed = SingerSettings.model_validate(dict(settings))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
        )
        raise ConnectorError(f"settings: {wrong}", for_good=True) from None
    if not parsed.tap and not parsed.target:
        raise ConnectorError("settings: name a `tap`, to read, or a `target`, to write", for_good=True)
    for what, program in (("tap", parsed.tap), ("target", parsed.target)):
        if program and not _PROGRAM.fullmatch(program):
            raise ConnectorError(f"settings: {what}: must be ENVIRONMENT/PROGRAM, not {program!r:.100}", for_good=True)
    if parsed.tap and "streams" not in parsed.model_fields_set:
        why = "name at least one stream to read; {} until it is known what there is"
        raise ConnectorError(f"settings: streams: {why}", for_good=True)
    return parsed


def program_path(connectors_dir: Path, program: str) -> Path:
    """Where an ENVIRONMENT/PROGRAM is.

    Raises:
        ConnectorError: it is not installed.
    """
    environment, _, name = program.partition("/")
    path = (connectors_dir / environment / "bin" / name).absolute()
    if not path.is_file():
        why = f"run `syncline-server connectors install PACKAGE` with {environment} as package"
        raise ConnectorError(f"{program} is not installed; {why}", for_good=True)
    return path


def merged_config(config: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """The program's configuration with the secrets in their places.

    Raises:
        ConnectorError: a secret's name leads through what is no object.
    """
    merged = {name: dict(value) if isinstance(value, dict) else value for name, value in config.items()}
    for name, secret in secrets.items():
        *path, last = name.split(".")
        place: dict[str, Any] = merged
        for step in path:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                raise ConnectorError(f"the secret {name!r} leads into {step!r}, which is no object", for_good=True)
            inner = place[step] = dict(inner)
            place = inner
        place[last] = secret
    return merged
