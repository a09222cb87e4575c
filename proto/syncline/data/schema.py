"""What an account's records are made of: object types, fields, keys, relationships. Both ends use these classes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FieldType(Enum):
    """What a field holds."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    JSON = "json"


class ConflictPolicy(Enum):
    """How edits of one record on two sides are brought together."""

    MERGE_FIELDS = "merge_fields"
    CLIENT_WINS = "client_wins"
    SERVER_WINS = "server_wins"
    REJECT = "reject"
    RESOLVER = "resolver"


class DeleteRule(Enum):
    """What becomes of the children when a parent is deleted."""

    RESTRICT = "restrict"
    CASCADE = "cascade"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object type."""

    name: str
    type: FieldType
    required: bool = False
    max_length: int = 0
    """The most characters of a text; 0: no limit of its own."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """A reference from the records of the type that holds it to those of `parent`."""

    name: str
    fields: tuple[str, ...]
    """The fields that hold the parent's primary key, in the parent's key order."""
    parent: str
    required: bool = False
    on_delete: DeleteRule = DeleteRule.RESTRICT


@dataclass(frozen=True, slots=True)
class ObjectType:
    """A kind of record."""

    name: str
    scope: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...] = ()
    """The fields that make the record key; empty: whoever creates a record makes its key."""
    relationships: tuple[Relationship, ...] = ()
    conflict_policy: ConflictPolicy = ConflictPolicy.MERGE_FIELDS
    resolver: str = ""
    """The name of the server's resolver if the policy is RESOLVER; else empty."""
    read_only: bool = False
    """Devices may not change its records."""
    merge_unsent_updates: bool = False
    """Devices merge consecutive unsent updates of one record into one."""

    @property
    def local_name(self) -> str:
        """Its name within its scope: without the scope's own name and a dot, should it begin with them."""
        return self.name.removeprefix(f"{self.scope}.")


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything that an account's records are made of. A scope exists if an object type is in it."""

    version: int = 0
    object_types: tuple[ObjectType, ...] = ()

    def object_type(self, name: str) -> ObjectType | None:
        """The object type of this name."""
        return next((kind for kind in self.object_types if kind.name == name), None)

    def scopes(self) -> tuple[str, ...]:
        """The names of the scopes, sorted."""
        return tuple(sorted({kind.scope for kind in self.object_types}))
