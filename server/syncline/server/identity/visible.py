"""What of an account a caller may see, by the buckets that its credential claims."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from syncline.data.schema import Schema
from syncline.server.environment import Environment
from syncline.server.errors import Unauthenticated
from syncline.server.identity.caller import Caller, current_caller
from syncline.storage.models import Refusal


def claimed_buckets(caller: Caller) -> frozenset[str] | None:
    """The buckets that the caller's devices are granted; None: the credential claims none in particular.

    Raises:
        Unauthenticated: it claims other buckets in one scope than in another. A device is granted buckets whatever the
            scope, so that it would be let see too much.
    """
    if caller.buckets is None:
        return None
    claims = [buckets for buckets in caller.buckets.values() if buckets]
    if len(set(claims)) > 1:
        raise Unauthenticated(
            "the credential claims other buckets in one scope than in another, which is not supported"
        )
    return claims[0] if claims else frozenset()


def visible_schema(caller: Caller, schema: Schema) -> Schema:
    """The schema as it is for the caller: object types of other scopes are not there."""
    if caller.buckets is None:
        return schema
    kinds = [kind for kind in schema.object_types if caller.buckets.get(kind.scope)]
    names = {kind.name for kind in kinds}
    return replace(
        schema,
        object_types=tuple(
            replace(kind, relationships=tuple(each for each in kind.relationships if each.parent in names))
            for kind in kinds
        ),
    )


def visible_refusals(visible: Schema, refusals: Iterable[Refusal]) -> list[Refusal]:
    """Those of items that the caller may see. Others are as those of items that are not there."""
    return [refusal for refusal in refusals if visible.object_type(refusal.object_type)]


def read_visible_schema(env: Environment) -> Schema:
    """The schema as it is for the caller of the present call. From a thread that may wait."""
    return visible_schema(current_caller(), env.store.read_schema(env.account_id))


def visible_types(env: Environment) -> frozenset[str] | None:
    """The object types of which the caller may see something; None: all that there are, for which nothing is read.

    From a thread that may wait.
    """
    if current_caller().buckets is None:
        return None
    return frozenset(kind.name for kind in read_visible_schema(env).object_types)
