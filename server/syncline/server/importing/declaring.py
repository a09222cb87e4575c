"""The object type that files are imported into: the declared one, or one inferred from their rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from syncline.data.errors import DataError
from syncline.data.schema import ObjectType
from syncline.server.importing.inference import infer_object_type
from syncline.server.importing.progress import Progress
from syncline.server.importing.sources import Source
from syncline.server.schema.apply_schema import apply_schema
from syncline.storage import Store
from syncline.storage.audit_models import Act


class Target(NamedTuple):
    """What to import into."""

    object_type: ObjectType
    inferred: bool
    """True: the schema had no such object type, and has this one now."""


def target_object_type(
    store: Store,
    account_id: str,
    name: str,
    sources: Sequence[Source],
    *,
    key: tuple[str, ...],
    scope: str,
    nulls: Collection[str],
    progress: Progress,
    act: Act,
) -> Target:
    """The object type of this name; if the schema has none, one is inferred from the sources and put into force.

    Args:
        store: where the schema is.
        account_id: whose schema.
        name: of the object type.
        sources: the files to import.
        key: the fields of the primary key; may be empty if the object type is declared.
        scope: the scope that an inferred object type goes into.
        nulls: texts that mean "absent".
        progress: is told how far inferring has got.
        act: is kept if the schema is changed.

    Raises:
        DataError: the object type has another key or none, or there is no key to infer one with.
        SourceError: a source cannot be read, or lacks a column of the key.
        SchemaChanged: another schema change came in between.
    """
    schema = store.read_schema(account_id)
    declared = schema.object_type(name)
    if declared is not None:
        _check_key(declared, key)
        return Target(declared, inferred=False)
    if not key:
        raise DataError(name, "the schema has no such object type; to infer it, name the fields of its key")
    inferred = infer_object_type(name, scope, key, sources, nulls=nulls, progress=progress)
    apply_schema(store, account_id, replace(schema, object_types=(*schema.object_types, inferred)), act=act)
    return Target(inferred, inferred=True)


def _check_key(declared: ObjectType, key: tuple[str, ...]) -> None:
    if not declared.primary_key:
        raise DataError(declared.name, "has no primary key, so rows of a file cannot be told apart")
    if key and key != declared.primary_key:
        raise DataError(f"{declared.name}.key", f"is {', '.join(declared.primary_key)}, not {', '.join(key)}")
