"""The conflict rules: what becomes of a change when others may have changed its record meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline.data.canonical import canonical_bytes, data_hash
from syncline.data.changes import Content, Operation, Verdict, edits_between
from syncline.data.conflicts import Contest, Record, RefuseChange, Resolver, Ruling, judge
from syncline.data.fields import check_record
from syncline.data.schema import ConflictPolicy, Field, FieldType, ObjectType

KIND = ObjectType(
    "people",
    "main",
    (
        Field("id", FieldType.STRING, required=True),
        Field("name", FieldType.STRING, required=True),
        Field("age", FieldType.INTEGER),
        Field("notes", FieldType.JSON),
    ),
    ("id",),
)
ANN = {"id": "1", "name": "Ann", "age": 1}

PEOPLE = st.builds(
    lambda name, more: {"id": "1", "name": name} | more,
    st.sampled_from("abc"),
    st.fixed_dictionaries({}, optional={"age": st.integers(1, 3), "notes": st.sampled_from([[1], {"x": None}, "y"])}),
)


def _insert(data: Record) -> Content:
    return Content(Operation.INSERT, data)


def _update(old: Record, new: Record) -> Content:
    return Content(Operation.UPDATE, edits=edits_between(old, new))


def _delete(data: Record) -> Content:
    return Content(Operation.DELETE, deleted_hash=data_hash(canonical_bytes(data)))


def _judge(
    content: Content,
    current: Record | None,
    policy: ConflictPolicy = ConflictPolicy.MERGE_FIELDS,
    *,
    news: bool = True,
    resolver: Resolver | None = None,
) -> Ruling:
    return judge(replace(KIND, conflict_policy=policy), "1", content, current, news=news, resolver=resolver)


def _keep_both(contest: Contest) -> Record | None:
    if contest.server is None:
        raise RefuseChange("it is gone")
    if contest.device is None:
        return contest.server
    return {**contest.device, "name": f"{contest.server['name']}+{contest.device['name']}"}


@given(st.lists(PEOPLE, min_size=2, max_size=6), st.sampled_from(ConflictPolicy))
def test_a_device_s_own_chain_never_contests_itself(versions: list[Record], policy: ConflictPolicy) -> None:
    """Each edit was made over the one before; nobody else wrote. A delete at the end names what the chain came to."""
    current: Record | None = _judge(_insert(versions[0]), None, policy, news=False).result
    for old, new in pairwise(versions):
        ruling = _judge(_update(old, new), current, policy, news=False, resolver=_keep_both)
        assert (ruling.verdict, ruling.contested) == (Verdict.APPLIED, None)
        current = ruling.result
        assert current == new
    ruling = _judge(_delete(versions[-1]), current, policy, news=False, resolver=_keep_both)
    assert (ruling.verdict, ruling.result, ruling.contested) == (Verdict.APPLIED, None, None)


@given(PEOPLE, PEOPLE, st.none() | PEOPLE, st.sampled_from(ConflictPolicy), st.sampled_from(Operation), st.booleans())
def test_what_is_decided_keeps_the_schema_and_the_verdict_says_what_it_is(
    seen: Record, wanted: Record, current: Record | None, policy: ConflictPolicy, operation: Operation, news: bool
) -> None:
    content = {
        Operation.INSERT: _insert(wanted),
        Operation.UPDATE: _update(seen, wanted),
        Operation.DELETE: _delete(seen),
    }[operation]

    ruling = _judge(content, current, policy, news=news, resolver=_keep_both)

    if ruling.result is not None:
        check_record(KIND, ruling.result)
        assert ruling.result["id"] == "1"
    if ruling.verdict in (Verdict.SERVER_WON, Verdict.REJECTED):
        assert ruling.result == current
    if operation is Operation.UPDATE and current is None:
        assert ruling.result is None
    assert (ruling.verdict is Verdict.REJECTED) == bool(ruling.reason)


@given(PEOPLE, PEOPLE, PEOPLE)
def test_merging_keeps_what_each_side_alone_changed(seen: Record, wanted: Record, current: Record) -> None:
    ruling = _judge(_update(seen, wanted), current)

    assert ruling.result is not None
    for name in ("name", "age", "notes"):
        mine, theirs = wanted.get(name), current.get(name)
        assert ruling.result.get(name) == (mine if theirs == seen.get(name) else theirs)


class Cell(NamedTuple):
    """What a policy makes of a contest."""

    verdict: Verdict
    result: Record | None
    contested: tuple[str, ...] | None
    reason: str = ""


M, W = Verdict.MERGED, Verdict.SERVER_WON
A, R = Verdict.APPLIED, Verdict.REJECTED
EDIT = _update(ANN, {"id": "1", "name": "Bea", "age": 2})
CLEO = {"id": "1", "name": "Cleo", "age": 1}
BEA = {"id": "1", "name": "Bea", "notes": [1]}

TABLE: list[tuple[Content, dict[str, Any] | None, ConflictPolicy, Cell]] = [
    (EDIT, CLEO, ConflictPolicy.MERGE_FIELDS, Cell(M, CLEO | {"age": 2}, ("name",))),
    (EDIT, CLEO, ConflictPolicy.CLIENT_WINS, Cell(M, CLEO | {"name": "Bea", "age": 2}, ("name",))),
    (EDIT, CLEO, ConflictPolicy.SERVER_WINS, Cell(W, CLEO, ("name",))),
    (EDIT, CLEO, ConflictPolicy.REJECT, Cell(R, CLEO, ("name",), "CONFLICT_REFUSED")),
    (EDIT, CLEO, ConflictPolicy.RESOLVER, Cell(M, CLEO | {"name": "Cleo+Bea", "age": 2}, ("name",))),
    (EDIT, None, ConflictPolicy.MERGE_FIELDS, Cell(W, None, ())),
    (EDIT, None, ConflictPolicy.CLIENT_WINS, Cell(W, None, ())),
    (EDIT, None, ConflictPolicy.SERVER_WINS, Cell(W, None, ())),
    (EDIT, None, ConflictPolicy.REJECT, Cell(R, None, (), "CONFLICT_REFUSED")),
    (EDIT, None, ConflictPolicy.RESOLVER, Cell(R, None, (), "RESOLVER_FAILED")),
    (_insert(BEA), CLEO, ConflictPolicy.MERGE_FIELDS, Cell(M, CLEO | {"notes": [1]}, ("name",))),
    (_insert(BEA), CLEO, ConflictPolicy.CLIENT_WINS, Cell(M, CLEO | BEA, ("name",))),
    (_insert(BEA), CLEO, ConflictPolicy.SERVER_WINS, Cell(W, CLEO, ("name",))),
    (_insert(BEA), CLEO, ConflictPolicy.REJECT, Cell(R, CLEO, ("name",), "KEY_TAKEN")),
    (_insert(BEA), CLEO, ConflictPolicy.RESOLVER, Cell(M, CLEO | BEA | {"name": "Cleo+Bea"}, ("name",))),
    (_delete(ANN), CLEO, ConflictPolicy.MERGE_FIELDS, Cell(W, CLEO, ())),
    (_delete(ANN), CLEO, ConflictPolicy.CLIENT_WINS, Cell(A, None, ())),
    (_delete(ANN), CLEO, ConflictPolicy.SERVER_WINS, Cell(W, CLEO, ())),
    (_delete(ANN), CLEO, ConflictPolicy.REJECT, Cell(R, CLEO, (), "CONFLICT_REFUSED")),
    (_delete(ANN), CLEO, ConflictPolicy.RESOLVER, Cell(W, CLEO, ())),
]


@pytest.mark.parametrize(("content", "current", "policy", "cell"), TABLE)
def test_the_table_of_policies(
    content: Content, current: dict[str, Any] | None, policy: ConflictPolicy, cell: Cell
) -> None:
    ruling = _judge(content, current, policy, resolver=_keep_both)

    assert Cell(ruling.verdict, ruling.result, ruling.contested, ruling.reason) == cell


@pytest.mark.parametrize("policy", ConflictPolicy)
def test_what_is_not_contested_is_done_under_every_policy(policy: ConflictPolicy) -> None:
    other_field = ANN | {"notes": "new"}
    already = CLEO | {"name": "Bea", "age": 2}

    assert _judge(_insert(ANN), None, policy).verdict is A
    assert _judge(EDIT, ANN, policy, news=False).verdict is A
    assert _judge(EDIT, other_field, policy) == Ruling(M, other_field | {"name": "Bea", "age": 2})
    assert _judge(EDIT, already, policy) == Ruling(M, already)
    assert _judge(_insert(ANN), ANN, policy) == Ruling(A, ANN)
    assert _judge(_delete(ANN), ANN, policy) == Ruling(A, None)
    assert _judge(_delete(ANN), None, policy) == Ruling(A, None)


def test_an_insert_is_taken_as_it_came() -> None:
    data = dict(ANN)

    assert _judge(_insert(data), None).result is data


def _raises(error: Exception) -> Resolver:
    def resolve(_: Contest) -> Record | None:
        raise error

    return resolve


@pytest.mark.parametrize(
    ("resolver", "why"),
    [
        (_raises(RefuseChange("not on a Sunday")), "not on a Sunday"),
        (_raises(ZeroDivisionError("oh")), "ZeroDivisionError: oh"),
        (lambda _: {"id": "2", "name": "x"}, "changed the key"),
        (lambda _: {"id": "1"}, "name: is required"),
        (lambda _: {"id": "1", "name": 5}, "name: must be text"),
        (lambda _: {"id": "1", "name": "x", "more": 1}, "no such field"),
        (lambda _: {"id": "1", "name": "x", "notes": float("nan")}, "finite"),
        (lambda _: {"id": "1", "name": "x", "notes": "\0"}, "NUL"),
        (lambda _: {"id": "1", "name": "x" * 1_000_001}, "at most 1,000,000"),
        (lambda _: "no record", "AttributeError"),
    ],
)
def test_a_resolver_that_fails_refuses_the_change_and_nothing_else(
    resolver: Callable[[Contest], Record | None], why: str
) -> None:
    ruling = _judge(EDIT, CLEO, ConflictPolicy.RESOLVER, resolver=resolver)

    assert (ruling.verdict, ruling.result, ruling.reason) == (R, CLEO, "RESOLVER_FAILED")
    assert why in ruling.explanation


def test_a_resolver_is_asked_with_both_versions_and_may_delete() -> None:
    asked: list[Contest] = []

    def resolve(contest: Contest) -> Record | None:
        asked.append(contest)
        return None

    assert _judge(EDIT, CLEO, ConflictPolicy.RESOLVER, resolver=resolve) == Ruling(M, None, ("name",))
    assert _judge(_delete(ANN), CLEO, ConflictPolicy.RESOLVER, resolver=resolve) == Ruling(A, None, ())
    (edit, delete) = asked
    assert (edit.operation, edit.edits, edit.fields) == (Operation.UPDATE, EDIT.edits, ("name",))
    assert (edit.device, edit.server) == (CLEO | {"name": "Bea", "age": 2}, CLEO)
    assert (delete.operation, delete.edits, delete.device, delete.server) == (Operation.DELETE, (), None, CLEO)


def test_a_resolver_may_work_on_what_it_is_given() -> None:
    def add(contest: Contest) -> Record:
        server: Any = contest.server
        server["notes"].append("seen")
        return cast("Record", server)

    current = CLEO | {"notes": ["old"]}
    ruling = _judge(EDIT, current, ConflictPolicy.RESOLVER, resolver=add)
    assert ruling == Ruling(M, CLEO | {"notes": ["old", "seen"]}, ("name",))
    assert current["notes"] == ["old"]


def test_a_resolver_brings_no_record_back() -> None:
    ruling = _judge(EDIT, None, ConflictPolicy.RESOLVER, resolver=lambda _: CLEO)

    assert (ruling.verdict, ruling.result, ruling.reason) == (R, None, "RESOLVER_FAILED")


def test_fields_that_a_resolver_sets_to_null_go() -> None:
    ruling = _judge(EDIT, CLEO, ConflictPolicy.RESOLVER, resolver=lambda _: {"id": "1", "name": "x", "age": None})

    assert ruling.result == {"id": "1", "name": "x"}
