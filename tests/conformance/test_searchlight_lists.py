"""Lists by random filters and orders, page by page, are on every store what the language says."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncline.server.page_tokens import ListAsked, ListPlace, decode_page, encode_page
from syncline.server.requests.listing import kinds_of
from syncline.server.requests.searchlight import parse_filter, parse_order, place_of
from syncline.storage import Store, open_store
from syncline.storage.conformance.tenant import NOW
from syncline.storage.request_models import RequestQuery, SyncRequest
from syncline.storage.request_states import RequestStatus
from tests.conformance.request_population import (
    CREATED,
    DAY,
    ENROLLMENTS,
    LATER,
    MESSAGES,
    PARENT,
    PEOPLE,
    REQUEST_IDS,
    populate,
)
from tests.harness.token_keys import sealer_of

Row = dict[str, Any]
"""A request as the language sees it, by public names."""

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
TEXTS = {
    "sync_request_id": (*REQUEST_IDS[:4], PARENT, UNKNOWN_ID),
    "result_message": (*MESSAGES, "DONE"),
    "app_enrollment_id": (*ENROLLMENTS, UNKNOWN_ID),
    "modified_by": (*PEOPLE, "worker", "b"),
    "parent_sync_request_id": (PARENT, UNKNOWN_ID),
    "retry_of": (*REQUEST_IDS[:9], UNKNOWN_ID),
}
PARTS = (
    "",
    "a",
    "A",
    "n",
    "Ä",
    "ä",
    "%",
    "_",
    "\\",
    "'",
    '"',
    "É",
    "é",
    "D",
    "ne",
    "0beef-",
    "0BEEF",
    "\U0001f600",
    "\uffee",
)
WORDS = {
    "status": tuple(status.value for status in RequestStatus),
    "operation": ("read", "write", "check"),
}
PROGRESS = tuple(f"progress.{name}" for name in ("read", "inserted", "updated", "deleted", "skipped", "failed"))
INTEGERS = ("failure_count", "current_batch", "total_batches", *PROGRESS)
NUMBERS = (0, 1, 2, 3, 4, -1, 2**31, 2**63 - 1, 1 - 2**63)
TIMES = ("create_time", "modify_time", "due_time")
MOMENTS = (*CREATED, NOW - 1, NOW + 1, LATER, 0, -1)
FIELDS = (*TEXTS, *WORDS, *INTEGERS, *TIMES, "run_full_sync")
NAMES = {"status": "statusCode", "create_time": "created", "result_message": "processResultMessage"}
"""Other names of some of them."""

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "EQ": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "LE": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def folded(text: str) -> str:
    return "".join(chr(ord(one) + 32) if "A" <= one <= "Z" else one for one in text)


PARTIAL: dict[str, Callable[[str, str], bool]] = {
    "CONTAINS": lambda text, part: folded(part) in folded(text),
    "STARTSWITH": lambda text, part: folded(text).startswith(folded(part)),
    "EndsWith": lambda text, part: folded(text).endswith(folded(part)),
}


@dataclass(frozen=True)
class Wanted:
    """A filter as text, and what it means."""

    text: str
    holds: Callable[[Row], bool] = field(repr=False)


def row_of(request: SyncRequest) -> Row:
    return {
        "sync_request_id": request.request_id,
        "status": request.status.value,
        "operation": request.operation.value,
        "result_message": request.result_message,
        "failure_count": request.failure_count,
        "run_full_sync": request.run_full_sync,
        "app_enrollment_id": request.enrollment_id,
        "create_time": request.created_at,
        "modify_time": request.modified_at,
        "modified_by": request.modified_by,
        "due_time": request.due_at,
        "parent_sync_request_id": request.parent_id,
        "current_batch": request.current_batch,
        "total_batches": request.total_batches,
        "retry_of": request.retry_of,
        **{name: getattr(request.progress, name.removeprefix("progress.")) for name in PROGRESS},
    }


def quoted(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["'{}'".format(text.replace("'", "''")), '"{}"'.format(text.replace('"', '""'))])


def moment(value: int) -> st.SearchStrategy[str]:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    written = [f"'{at.isoformat(' ')}'", at.isoformat()]
    days, rest = divmod(value - NOW, DAY)
    if not rest:
        written += [f"NOW + {days}" if days >= 0 else f"now - {-days}"]
    return st.sampled_from(written)


def literals(name: str) -> st.SearchStrategy[tuple[str, Any]]:
    """A value of the field as text, and as it is."""

    def pairs(values: Sequence[Any], write: Callable[[Any], st.SearchStrategy[str]]) -> st.SearchStrategy[Any]:
        return st.sampled_from(values).flatmap(lambda value: st.tuples(write(value), st.just(value)))

    if name in TEXTS:
        return pairs(TEXTS[name], quoted)
    if name in WORDS:
        return pairs(WORDS[name], lambda word: quoted(word.title().replace("_", " ")) | st.just(word))
    if name in INTEGERS:
        return pairs(NUMBERS, lambda number: st.sampled_from([str(number), f"'{number}'"]))
    if name in TIMES:
        return pairs(MOMENTS, moment)
    return pairs((True, False), lambda value: st.sampled_from([str(value), str(value).lower()]))


@st.composite
def comparisons(draw: st.DrawFn) -> Wanted:
    name = draw(st.sampled_from(FIELDS))
    shown = draw(st.sampled_from([name, name.upper(), NAMES.get(name, name)]))
    kinds = ["relation", "in", "null"]
    kinds += ["between"] if name != "run_full_sync" else []
    kinds += ["partial"] if name in TEXTS else []
    kind = draw(st.sampled_from(kinds))
    negated = draw(st.booleans())
    if kind == "null":
        text = draw(st.sampled_from(["IS NOT NULL", "NOT IS NULL"])) if negated else "is null"
        return Wanted(f"{shown} {text}", lambda row: (row[name] is None) != negated)
    end, test = draw(_tests(name, kind))
    text = f"{shown} {'NOT ' if negated else ''}{end}"
    return Wanted(text, lambda row: row[name] is not None and test(row[name]) != negated)


@st.composite
def _tests(draw: st.DrawFn, name: str, kind: str) -> tuple[str, Callable[[Any], bool]]:
    """What stands after the field, and the test of a value that is there."""
    if kind == "partial":
        word = draw(st.sampled_from(sorted(PARTIAL)))
        part = draw(st.sampled_from([*PARTS, *TEXTS[name]]))
        return f"{word} {draw(quoted(part))}", lambda value: PARTIAL[word](value, part)
    if kind == "between":
        (low_text, low), (high_text, high) = draw(literals(name)), draw(literals(name))
        return f"BETWEEN {low_text} and {high_text}", lambda value: low <= value <= high
    if kind == "in":
        values = draw(st.lists(literals(name), min_size=1, max_size=4))
        known = [value for _, value in values]
        return f"IN ({', '.join(text for text, _ in values)})", lambda value: value in known
    relations = RELATIONS if name != "run_full_sync" else {"=": operator.eq, "NE": operator.ne}
    sign = draw(st.sampled_from(sorted(relations)))
    written, wanted = draw(literals(name))
    return f"{sign} {written}", lambda value: relations[sign](value, wanted)


@st.composite
def junctions(draw: st.DrawFn, parts: st.SearchStrategy[Wanted]) -> Wanted:
    chosen = draw(st.lists(parts, min_size=2, max_size=3))
    needs_all = draw(st.booleans())
    text = (" AND " if needs_all else " or ").join(f"({part.text})" for part in chosen)
    return Wanted(text, lambda row: (all if needs_all else any)(part.holds(row) for part in chosen))


FILTERS = st.recursive(comparisons(), junctions, max_leaves=6)
ORDERS = st.lists(st.tuples(st.sampled_from(FIELDS), st.booleans()), max_size=3, unique_by=lambda term: term[0])


def in_order(rows: list[Row], order: list[tuple[str, bool]]) -> list[str]:
    """The ids of rows in an order; absent values are less than all others."""

    def compare(left: Row, right: Row) -> int:
        for name, descending in [*(order or [("create_time", True)]), ("sync_request_id", False)]:
            a, b = left[name], right[name]
            if a == b:
                continue
            less = a is None or (b is not None and a < b)
            return 1 if less == descending else -1
        return 0

    return [row["sync_request_id"] for row in sorted(rows, key=cmp_to_key(compare))]


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgres"])
def listed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, str]]:
    """A store of each kind, and the account to list."""
    urls: dict[str, Callable[[], str]] = {
        "memory": lambda: "memory:",
        "sqlite": lambda: f"sqlite:///{tmp_path_factory.mktemp('lists') / 'store.db'}",
        "postgres": lambda: request.getfixturevalue("postgres_server").create_database(),
    }
    url = urls[request.param]()
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        (tmp_path_factory.getbasetemp() / url.removeprefix("sqlite:///")).write_bytes(template.read_bytes())
    store = open_store(url)
    yield store, populate(store)
    store.close()
    if request.param == "postgres":
        request.getfixturevalue("postgres_server").drop_database(url)


def everything(store: Store, account: str) -> list[Row]:
    return [row_of(request) for request in store.list_requests(account, RequestQuery(limit=500))]


def test_the_requests_to_list_are_of_all_kinds(listed: tuple[Store, str]) -> None:
    rows = everything(*listed)

    assert {row["status"] for row in rows} == set(WORDS["status"])
    for name in ("app_enrollment_id", "parent_sync_request_id", "current_batch", "total_batches", "retry_of"):
        assert {row[name] is None for row in rows} == {True, False}
    for name in ("failure_count", "result_message", "modified_by", *PROGRESS):
        assert len({row[name] for row in rows}) > 1, name


@settings(max_examples=60, deadline=None)
@given(wanted=st.none() | FILTERS, order=ORDERS, limit=st.integers(min_value=3, max_value=12))
def test_lists_are_what_the_language_says(
    listed: tuple[Store, str], wanted: Wanted | None, order: list[tuple[str, bool]], limit: int
) -> None:
    store, account = listed
    text = wanted.text if wanted else ""
    asked = ListAsked("lists", account, text, ", ".join(f"{name} {'DESC' if down else 'asc'}" for name, down in order))
    sealer = sealer_of(account, None)
    orders = parse_order(asked.order_by)
    found: list[str] = []
    place = ListPlace(NOW, ())
    while True:
        query = RequestQuery(parse_filter(text, place.now), orders, place.after or None, limit)
        page = store.list_requests(account, query)
        found += [request.request_id for request in page]
        if len(page) < limit:
            break
        token = encode_page(sealer, asked, ListPlace(place.now, place_of(page[-1], orders)))
        place = decode_page(sealer, asked, token, kinds_of(orders))

    rows = [row for row in everything(store, account) if wanted is None or wanted.holds(row)]
    assert found == in_order(rows, order)


def test_only_the_letters_a_to_z_are_folded_and_no_character_stands_for_others(listed: tuple[Store, str]) -> None:
    store, account = listed
    rows = everything(store, account)
    for name, word, part in product(("modified_by", "result_message"), PARTIAL, PARTS):
        written = part.replace("'", "''")
        text = f"{name} {word} '{written}'"
        found = store.list_requests(account, RequestQuery(parse_filter(text, NOW), limit=500))
        expected = {row["sync_request_id"] for row in rows if PARTIAL[word](row[name], part)}
        assert {request.request_id for request in found} == expected, text


@pytest.mark.parametrize("descending", [False, True])
def test_every_field_orders_by_code_point_with_absent_values_first(listed: tuple[Store, str], descending: bool) -> None:
    store, account = listed
    rows = everything(store, account)
    for name in FIELDS:
        query = RequestQuery(order=parse_order(f"{name} {'DESC' if descending else ''}"), limit=500)
        found = [request.request_id for request in store.list_requests(account, query)]
        assert found == in_order(rows, [(name, descending)]), name


@pytest.mark.parametrize(
    "text",
    [
        " OR ".join(f"failure_count IN ({','.join('9' * 480)})" for _ in range(4)),
        f"{'(' * 20}failure_count > 8{')' * 20}",
        " OR ".join(["failure_count > 8"] * 100),
        "({})".format(") AND (".join(["failure_count > 8 OR failure_count > 9"] * 50)),
    ],
)
def test_the_largest_filters_are_no_trouble(listed: tuple[Store, str], text: str) -> None:
    store, account = listed

    assert store.list_requests(account, RequestQuery(parse_filter(text, NOW))) == []
