"""Enrollments, settings and secrets, as a user says them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import typer

from syncline.cli.output import local_datetime
from syncline.client import ConnectionOptions, Enrollment, EnrollmentClient, EnrollmentNotFound, SyncRequest
from syncline.data.schema import ObjectType


def find_enrollment(client: EnrollmentClient, word: str) -> Enrollment:
    """The enrollment of this id or name, or `EnrollmentNotFound`."""
    found = _as_uuid(word)
    if found is not None:
        return client.get(found)
    for enrollment in client.list():
        if enrollment.name == word:
            return enrollment
    raise EnrollmentNotFound(f"there is no enrollment {word!r}")


def run_text(run: SyncRequest | None) -> str:
    """What a list says of an enrollment's last request."""
    return "" if run is None else f"{run.status.value} {local_datetime(run.modified_at)}"


def enrollment_id_of(word: str, server: str, connection: ConnectionOptions) -> str:
    """The id of the enrollment of this id or name, or `EnrollmentNotFound`."""
    found = _as_uuid(word)
    if found is not None:
        return str(found)
    with EnrollmentClient(server, **connection) as client:
        return find_enrollment(client, word).app_enrollment_id


def read_settings(text: str | None, assignments: Sequence[str]) -> dict[str, Any] | None:
    """Settings from a JSON object or `@` and the path of one, with `name=value` (a text) and `name:=JSON` over it.

    None if neither is given.

    Raises:
        typer.BadParameter: it is none of these.
    """
    if text is None and not assignments:
        return None
    if text is not None and text.startswith("@"):
        text = _read(text[1:], "--settings")
    settings: Any = {} if text is None else _json(text, "--settings")
    if not isinstance(settings, dict):
        raise typer.BadParameter("settings are one JSON object", param_hint="--settings")
    for word in assignments:
        name, value = _pair(word, "--set")
        if name.endswith(":"):
            settings[name.removesuffix(":")] = _json(value, "--set")
        else:
            settings[name] = value
    return settings


def read_secrets(files: Sequence[str], variables: Sequence[str], prompts: Sequence[str]) -> dict[str, str]:
    """Secrets by name: from files (without the line break at the end), from the environment, and typed in.

    Raises:
        typer.BadParameter: a word is no `name=…`, or there is no such file or variable.
    """
    secrets: dict[str, str] = {}
    for word in files:
        name, path = _pair(word, "--secret-file")
        secrets[name] = _read(path, "--secret-file").rstrip("\r\n")
    for word in variables:
        name, variable = _pair(word, "--secret-env")
        if variable not in os.environ:
            raise typer.BadParameter(f"there is no variable {variable}", param_hint="--secret-env")
        secrets[name] = os.environ[variable]
    for name in prompts:
        secrets[name] = typer.prompt(name, hide_input=True, err=True)
    return secrets


def fields_shown(kind: ObjectType) -> str:
    """The fields with their types, such as `id* integer, name string`."""
    return ", ".join(
        f"{field.name}{'*' if field.name in kind.primary_key else ''} {field.type.value}" for field in kind.fields
    )


def _as_uuid(word: str) -> UUID | None:
    try:
        return UUID(word)
    except ValueError:
        return None


def _pair(word: str, hint: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not (name and separator):
        # Not the word itself: somebody may have put a secret there.
        raise typer.BadParameter("it must be NAME=…", param_hint=hint)
    return name, value


def _read(path: str, hint: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot read {path}: {error}", param_hint=hint) from error


def _json(text: str, hint: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"no JSON: {error}", param_hint=hint) from error
