"""What the random histories of offline devices are about: an object type for each conflict policy, and some more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncline.data.conflicts import Contest
from syncline.data.schema import ConflictPolicy, DeleteRule, Field, FieldType, ObjectType, Relationship, Schema

RESOLVER = "longest"
"""The name of the resolver that `longest` is."""

KEYS = ("1", "2")
"""Few, and the same on all devices, so that everybody is after the same records."""
VALUES = ("", "a", "bb", "ccc")
BUCKETS = ("", "north")

_FIELDS = (
    Field("id", FieldType.STRING, required=True),
    Field("a", FieldType.STRING),
    Field("b", FieldType.STRING),
)


def _kind(name: str, scope: str, policy: ConflictPolicy, **more: Any) -> ObjectType:
    return ObjectType(name, scope, _FIELDS, ("id",), conflict_policy=policy, **more)


PARENT = _kind("merging", "main", ConflictPolicy.MERGE_FIELDS)
CHILD = ObjectType(
    "child",
    "main",
    (*_FIELDS, Field("of", FieldType.STRING)),
    ("id",),
    (Relationship("parent", ("of",), PARENT.name, required=True, on_delete=DeleteRule.CASCADE),),
)
KINDS = (
    PARENT,
    CHILD,
    _kind("client_first", "main", ConflictPolicy.CLIENT_WINS),
    _kind("strict", "main", ConflictPolicy.REJECT),
    _kind("server_first", "second", ConflictPolicy.SERVER_WINS),
    _kind("by_rule", "second", ConflictPolicy.RESOLVER, resolver=RESOLVER),
    _kind("squeezed", "second", ConflictPolicy.MERGE_FIELDS, merge_unsent_updates=True),
)
SCHEMA = Schema(object_types=KINDS)
SCOPES = SCHEMA.scopes()
KIND_OF = {kind.name: kind for kind in KINDS}
SCOPE_OF = {kind.name: kind.scope for kind in KINDS}


def longest(contest: Contest) -> Mapping[str, Any] | None:
    """A resolver: of a contested field the longer text, the device's if both are as long; a delete loses."""
    if contest.device is None or contest.server is None:
        return contest.server
    longer = {
        name: max(str(contest.server.get(name, "")), str(contest.device.get(name, "")), key=len)
        for name in contest.fields
    }
    return {**contest.device, **longer}
