"""The conflict rules: what becomes of a change when others may have changed its record meanwhile.

A field is *contested* if its value on the server is neither the one that the device saw nor the one that it wants, so a
device's own chain of edits never contests itself. A delete is contested if the record is not the one that the device
deleted. What is not contested is simply done. What is, the object type's conflict policy decides:

| policy | contested update or insert | contested delete | update of a record that is gone |
|---|---|---|---|
| merge_fields | other fields are set, contested ones keep the server's value | the record stays | it stays gone |
| client_wins | all fields are set | the record is deleted | it stays gone |
| server_wins | nothing is set | the record stays | it stays gone |
| reject | refused | refused | refused |
| resolver | as the resolver says | as the resolver says | it stays gone, or the change is refused |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.changes import Content, Edit, Operation, Verdict, apply_edits, field_text
from syncline.data.errors import DataError
from syncline.data.fields import check_record
from syncline.data.keys import record_key
from syncline.data.schema import ConflictPolicy, ObjectType

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contest:
    """What a resolver is asked to decide."""

    object_type: ObjectType
    key: str
    operation: Operation
    edits: tuple[Edit, ...]
    """The fields that the device sets, with what it saw before; empty for a delete."""
    device: Record | None
    """The record as the device wants it, as far as the server knows; None: deleted."""
    server: Record | None
    """The record as it stands; None: gone."""
    fields: tuple[str, ...]
    """The contested fields; empty if one side deleted the record."""


class RefuseChange(Exception):
    """Raised by a resolver: the change is rejected, for the reason given."""


Resolver = Callable[[Contest], Record | None]
"""Brings two versions of a record together: the record as it is to be, or None if it is to be gone.

It is called while the account's writers wait: it must be quick, and must depend on nothing but its argument.
"""


class Ruling(NamedTuple):
    """What becomes of a change. A tuple, because one is made for each change."""

    verdict: Verdict
    result: Record | None
    """The record afterwards; None: it is not there. It is the content's own `data` where that is simply taken."""
    contested: tuple[str, ...] | None = None
    """None: no conflict. Else the contested fields; empty if one side deleted the record."""
    reason: str = ""
    """REJECTED: a name of `syncline.v1.ErrorReason`."""
    explanation: str = ""
    """REJECTED: why, in words."""


def judge(
    kind: ObjectType, key: str, content: Content, current: Record | None, *, news: bool, resolver: Resolver | None
) -> Ruling:
    """Decide a change that keeps the schema's rules.

    Args:
        kind: the record's object type.
        key: the record's key.
        content: the change.
        current: the record as it stands, canonical; None: absent, deleted, or not to be seen by the device.
        news: others changed the record since the device saw it.
        resolver: decides if the object type's policy is RESOLVER.
    """
    match content.operation:
        case Operation.INSERT:
            return _insert(kind, key, content, current, resolver)
        case Operation.DELETE:
            return _delete(kind, key, content, current, resolver)
        case Operation.UPDATE:
            return _update(kind, key, content, current, news=news, resolver=resolver)


def _insert(kind: ObjectType, key: str, content: Content, current: Record | None, resolver: Resolver | None) -> Ruling:
    assert content.data is not None  # noqa: S101 - an INSERT has data
    if current is None:
        return Ruling(Verdict.APPLIED, content.data)
    edits = tuple(Edit(name, None, field_text(content.data, name)) for name in content.data)
    contested = _contested(edits, current)
    if contested and kind.conflict_policy is ConflictPolicy.REJECT:
        return Ruling(Verdict.REJECTED, current, contested, "KEY_TAKEN", "there is such a record already")
    merged = _edited(kind, key, Operation.INSERT, edits, contested, current, resolver)
    if merged.verdict is Verdict.REJECTED:
        return merged
    return Ruling(_verdict(merged.result, wanted=content.data, was=current), merged.result, merged.contested)


def _update(
    kind: ObjectType, key: str, content: Content, current: Record | None, *, news: bool, resolver: Resolver | None
) -> Ruling:
    if current is None:
        if kind.conflict_policy is ConflictPolicy.REJECT:
            return _refused(current, ())
        if kind.conflict_policy is ConflictPolicy.RESOLVER and resolver is not None:
            return _resolved(resolver, Contest(kind, key, content.operation, content.edits, {}, None, ()))
        return Ruling(Verdict.SERVER_WON, None, ())
    contested = _contested(content.edits, current)
    ruling = _edited(kind, key, content.operation, content.edits, contested, current, resolver)
    if contested or ruling.verdict is Verdict.REJECTED:
        return ruling
    return Ruling(Verdict.MERGED if news else Verdict.APPLIED, ruling.result)


def _delete(kind: ObjectType, key: str, content: Content, current: Record | None, resolver: Resolver | None) -> Ruling:
    if current is None or data_hash(canonical_bytes(current)) == content.deleted_hash:
        return Ruling(Verdict.APPLIED, None)
    match kind.conflict_policy:
        case ConflictPolicy.CLIENT_WINS:
            return Ruling(Verdict.APPLIED, None, ())
        case ConflictPolicy.REJECT:
            return _refused(current, ())
        case ConflictPolicy.RESOLVER if resolver is not None:
            return _resolved(resolver, Contest(kind, key, content.operation, (), None, current, ()))
        case _:
            return Ruling(Verdict.SERVER_WON, current, ())


def _edited(
    kind: ObjectType,
    key: str,
    operation: Operation,
    edits: tuple[Edit, ...],
    contested: tuple[str, ...],
    current: Record,
    resolver: Resolver | None,
) -> Ruling:
    """Edits on a record that is there."""
    if not contested:
        result = apply_edits(current, edits)
        return Ruling(Verdict.APPLIED, result)
    match kind.conflict_policy:
        case ConflictPolicy.CLIENT_WINS:
            return Ruling(Verdict.MERGED, apply_edits(current, edits), contested)
        case ConflictPolicy.SERVER_WINS:
            return Ruling(Verdict.SERVER_WON, current, contested)
        case ConflictPolicy.REJECT:
            return _refused(current, contested)
        case ConflictPolicy.RESOLVER if resolver is not None:
            wanted = apply_edits(current, edits)
            return _resolved(resolver, Contest(kind, key, operation, edits, wanted, current, contested))
        case _:
            agreed = [edit for edit in edits if edit.name not in contested]
            result = apply_edits(current, agreed)
            return Ruling(_verdict(result, wanted=None, was=current), result, contested)


def _contested(edits: tuple[Edit, ...], current: Record) -> tuple[str, ...]:
    return tuple(edit.name for edit in edits if field_text(current, edit.name) not in (edit.old, edit.new))


def _resolved(resolver: Resolver, contest: Contest) -> Ruling:
    """Ask the resolver; what it answers must be a record of the type under the same key."""
    # It may work on what it is given, and hand that back: here the two versions stay as they are.
    theirs = replace(contest, device=deepcopy(contest.device), server=deepcopy(contest.server))
    try:
        answer = resolver(theirs)
        result = None if answer is None else {name: value for name, value in answer.items() if value is not None}
        if result is not None:
            if contest.server is None:
                raise DataError("", "an update creates no record")  # noqa: TRY301 - as below
            check_record(contest.object_type, result)
            canonical_bytes(result)  # refuses what is no data, or too much of it
            if contest.object_type.primary_key and record_key(contest.object_type, result) != contest.key:
                raise DataError("", "the resolver changed the key")  # noqa: TRY301 - one way for all that is wrong
    except RefuseChange as refusal:
        return Ruling(Verdict.REJECTED, contest.server, contest.fields, "RESOLVER_FAILED", str(refusal))
    except Exception as error:  # noqa: BLE001 - whatever a resolver raises refuses this change, and only it
        why = f"the resolver failed: {type(error).__name__}: {error}"
        return Ruling(Verdict.REJECTED, contest.server, contest.fields, "RESOLVER_FAILED", why)
    return Ruling(_verdict(result, wanted=contest.device, was=contest.server), result, contest.fields)


def _verdict(result: Record | None, *, wanted: Record | None, was: Record | None) -> Verdict:
    """How a result is called that came of `was`, where the device wanted `wanted`."""
    if _same(result, wanted):
        return Verdict.APPLIED
    return Verdict.SERVER_WON if _same(result, was) else Verdict.MERGED


def _same(one: Record | None, other: Record | None) -> bool:
    if one is None or other is None:
        return one is other
    return canonical_bytes(one) == canonical_bytes(other)


def _refused(current: Record | None, contested: tuple[str, ...]) -> Ruling:
    what = f"others changed {', '.join(contested)}" if contested else "others changed or deleted the record"
    return Ruling(Verdict.REJECTED, current, contested, "CONFLICT_REFUSED", what)
