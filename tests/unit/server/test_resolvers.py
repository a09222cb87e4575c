"""Resolvers, found by entry point."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncline.data.changes import Operation
from syncline.data.conflicts import Contest, RefuseChange
from syncline.data.errors import DataError
from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType, Schema
from syncline.server.errors import SettingsInvalid
from syncline.server.resolvers import check_resolvers, load_resolvers, resolver_of
from tests.harness.resolvers import installed_resolvers

SOURCE = """
def keep(contest):
    return contest.server

nothing = 5
"""
KIND = ObjectType(
    "note", "main", (Field("text", FieldType.STRING),), conflict_policy=ConflictPolicy.RESOLVER, resolver="keep"
)
CONTEST = Contest(KIND, "k", Operation.UPDATE, (), {}, {"text": "a"}, ("text",))


def test_what_is_installed_is_loaded_and_may_be_named(tmp_path: Path) -> None:
    with installed_resolvers(tmp_path, SOURCE, {"keep": "keep"}):
        resolver = resolver_of(KIND, load_resolvers())
        check_resolvers(Schema(1, (KIND,)))

    assert resolver is not None
    assert resolver(CONTEST) == {"text": "a"}


def test_a_schema_cannot_name_what_is_not_installed() -> None:
    with pytest.raises(DataError, match="no resolver 'keep'") as refused:
        check_resolvers(Schema(1, (KIND,)))
    assert refused.value.path == "note.resolver"


def test_a_resolver_that_is_gone_refuses_what_it_is_asked() -> None:
    resolver = resolver_of(KIND, {})

    assert resolver is not None
    with pytest.raises(RefuseChange, match="no resolver 'keep'"):
        resolver(CONTEST)


@pytest.mark.parametrize("attribute", ["nothing", "missing"])
def test_a_server_does_not_start_with_a_resolver_that_is_none(tmp_path: Path, attribute: str) -> None:
    with (
        installed_resolvers(tmp_path, SOURCE, {"keep": attribute}),
        pytest.raises(SettingsInvalid, match="the resolver 'keep'"),
    ):
        load_resolvers()
