"""What a filter's text means, and what is said of one that means nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncline.server.errors import FilterInvalid
from syncline.server.requests.searchlight import parse_filter
from syncline.server.requests.searchlight.fields import PUBLIC_NAMES
from syncline.server.requests.searchlight.grammar import FILTER_WORDS, OPERATORS
from syncline.storage.filters import Comparison, Junction, Operator, Value
from syncline.storage.request_models import REQUEST_FIELDS
from syncline.v1 import sync_request_pb2

DAY = 24 * 3600 * 1_000_000
MIDNIGHT = int(datetime(2025, 6, 15, tzinfo=UTC).timestamp()) * 1_000_000
NOW = MIDNIGHT + 12_345_678_901

ID = "0a1b2c3d-0000-4000-8000-00000000000f"


def one(text: str) -> Comparison:
    found = parse_filter(text, NOW)
    assert isinstance(found, Comparison)
    return found


def value_of(text: str) -> Value:
    (value,) = one(text).values
    return value


@pytest.mark.parametrize("text", ["", " \t\n"])
def test_a_blank_filter_is_none(text: str) -> None:
    assert parse_filter(text, NOW) is None


@pytest.mark.parametrize(("word", "operator"), OPERATORS.items())
def test_each_operator_has_its_words_in_any_case_and_no_needs_no_blanks(word: str, operator: Operator) -> None:
    expected = Comparison("result_message", operator, ("x",))

    for written in (word, word.lower(), word.title()):
        assert one(f"result_message {written} x") == expected
    if not word.isalpha():
        assert one(f"result_message{word}x") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("failure_count BETWEEN 1 AND 3", Comparison("failure_count", Operator.BETWEEN, (1, 3))),
        ("failure_count not between -1 and +3", Comparison("failure_count", Operator.BETWEEN, (-1, 3), negated=True)),
        ("failure_count IN (1)", Comparison("failure_count", Operator.IN, (1,))),
        ("failure_count NOT IN(1,'2' , 3)", Comparison("failure_count", Operator.IN, (1, 2, 3), negated=True)),
        ("failure_count NOT = 1", Comparison("failure_count", Operator.EQUAL, (1,), negated=True)),
        ("failure_count NOT <> 1", Comparison("failure_count", Operator.NOT_EQUAL, (1,), negated=True)),
        ("retry_of IS NULL", Comparison("retry_of", Operator.IS_NULL, ())),
        ("retry_of is not null", Comparison("retry_of", Operator.IS_NULL, (), negated=True)),
        ("retry_of NOT IS NULL", Comparison("retry_of", Operator.IS_NULL, (), negated=True)),
        ("result_message NOT CONTAINS x", Comparison("result_message", Operator.CONTAINS, ("x",), negated=True)),
    ],
)
def test_comparisons(text: str, expected: Comparison) -> None:
    assert parse_filter(text, NOW) == expected


def test_junctions_are_as_the_parentheses_say() -> None:
    a, b, c = (Comparison("failure_count", Operator.EQUAL, (number,)) for number in (1, 2, 3))

    def parsed(text: str) -> object:
        return parse_filter(text.replace("$", "failure_count = "), NOW)

    assert parsed("(($1))") == a
    assert parsed("$1 and $2 AND $3") == Junction(True, (a, b, c))
    assert parsed("$1 or $2") == Junction(False, (a, b))
    assert parsed("$1 AND ($2 OR $3)") == Junction(True, (a, Junction(False, (b, c))))
    assert parsed("($1 AND $2)OR($3)") == Junction(False, (Junction(True, (a, b)), c))
    assert parsed("failure_count BETWEEN 1 AND 1 AND $2") == Junction(
        True, (Comparison("failure_count", Operator.BETWEEN, (1, 1)), b)
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("x", "x"),
        ("'it''s'", "it's"),
        ('"say ""so"""', 'say "so"'),
        ("'say \"so\"'", 'say "so"'),
        ("''", ""),
        ("' = (x), !'", " = (x), !"),
        ("O'Brien", "O'Brien"),
        ("2024-01-31T10:00:00+02:00", "2024-01-31T10:00:00+02:00"),
        ("'AND'", "AND"),
        ("today", "today"),
        ("é%_\\", "é%_\\"),
    ],
)
def test_texts_are_bare_words_or_quoted(written: str, value: str) -> None:
    assert value_of(f"result_message = {written}") == value


@pytest.mark.parametrize("word", ["In Progress", "in_progress", "IN-PROGRESS", "SYNC_REQUEST_STATUS_IN_PROGRESS"])
def test_status_is_taken_in_all_its_spellings(word: str) -> None:
    assert value_of(f"status = '{word}'") == "in_progress"


@pytest.mark.parametrize("word", ["read", "Read", "SYNC_OPERATION_READ"])
def test_operation_is_taken_in_all_its_spellings(word: str) -> None:
    assert value_of(f"operation = {word}") == "read"


def test_a_part_of_a_status_needs_to_be_no_status() -> None:
    assert value_of("status STARTSWITH 'In P'") == "in_p"


@pytest.mark.parametrize("written", [ID, ID.upper(), ID.replace("-", ""), f"{{{ID}}}"])
def test_ids_are_compared_in_their_usual_text(written: str) -> None:
    assert value_of(f"sync_request_id = {written}") == ID


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NOW", NOW),
        ("now - 1", NOW - DAY),
        ("NOW + 0", NOW),
        ("TODAY", MIDNIGHT),
        ("tomorrow", MIDNIGHT + DAY),
        ("YESTERDAY - 30", MIDNIGHT - 31 * DAY),
        ("2025-06-15", MIDNIGHT),
        ("'2025-06-15'", MIDNIGHT),
        ("2025-06-15T01:00", MIDNIGHT + DAY // 24),
        ("'2025-06-15 01:00:00.5'", MIDNIGHT + DAY // 24 + 500_000),
        ("2025-06-15t01:00:00.1234567z", MIDNIGHT + DAY // 24 + 123_456),
        ("2025-06-15T03:00:00+02:00", MIDNIGHT + DAY // 24),
        ("2025-06-14T20:30:00-0430", MIDNIGHT + DAY // 24),
        ("1969-12-31T23:59:59.999999", -1),
        ("0001-01-01T00:00+23:59", -62_135_596_800_000_000 - DAY + 60_000_000),
    ],
)
def test_times_are_iso_or_counted_from_now_in_utc(written: str, value: int) -> None:
    assert value_of(f"create_time >= {written}") == value


def test_a_day_as_a_value_is_its_midnight() -> None:
    assert one("create_time BETWEEN YESTERDAY AND TODAY + 1").values == (MIDNIGHT - DAY, MIDNIGHT + DAY)


def test_every_field_of_the_store_has_a_public_name_which_is_a_field_of_the_message() -> None:
    message = sync_request_pb2.SyncRequest.DESCRIPTOR
    progress = sync_request_pb2.SyncProgress.DESCRIPTOR

    assert set(PUBLIC_NAMES.values()) == set(REQUEST_FIELDS)
    for name in PUBLIC_NAMES:
        owner, _, field = name.rpartition(".")
        assert field in (progress if owner else message).fields_by_name
    for name, field in PUBLIC_NAMES.items():
        assert one(f"{name} IS NULL").field == one(f"{name.upper()} IS NULL").field == field


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("syncRequestId", "request_id"),
        ("statusCode", "status"),
        ("operationTypeName", "operation"),
        ("processResultMessage", "result_message"),
        ("failureCount", "failure_count"),
        ("runFullSync", "run_full_sync"),
        ("appEnrollmentId", "enrollment_id"),
        ("created", "created_at"),
        ("modified", "modified_at"),
        ("modifiedUserId", "modified_by"),
        ("parentSyncRequestId", "parent_id"),
        ("currentBatch", "current_batch"),
        ("totalBatches", "total_batches"),
    ],
)
def test_the_names_of_ads_are_taken(name: str, field: str) -> None:
    assert one(f"{name} IS NULL").field == one(f"{name.lower()} IS NULL").field == field


@pytest.mark.parametrize(
    ("text", "position", "expected", "message"),
    [
        ("()", 2, "a field, (", "nothing in the parentheses"),
        ("statuss = x", 1, ", ".join(PUBLIC_NAMES), "no field 'statuss'; the nearest: status"),
        ("zzz = 1", 1, ", ".join(PUBLIC_NAMES), "no field 'zzz'"),
        ("failure_count = x", 17, "a whole number", "'x' is not a whole number"),
        ("failure_count = 1.5", 17, "a whole number", "'1.5' is not"),
        ("failure_count = 9223372036854775808", 17, "a whole number", "is not"),
        ("failure_count = ٣", 17, "a whole number", "is not"),
        ("failure_count = NOW - 1", 17, "a whole number", "'NOW - 1' is not"),
        ("failure_count CONTAINS 1", 15, "=, <>, <, >, BETWEEN, IN or IS", "CONTAINS needs a field that is text"),
        ("run_full_sync = 1", 17, "true or false", "'1' is not"),
        ("run_full_sync > false", 15, "=, <>, IN or IS", "have no order"),
        ("created > 2025-02-30", 11, "a time, such as", "is not a time"),
        ("created > x", 11, "a time, such as", "is not a time"),
        ("created > NOW+1", 11, "a time, such as", "is not a time"),
        ("created > NOW + x", 11, "a time, such as", "'NOW + x' is not a time"),
        ("created > NOW + 9999999", 11, "a time, such as", "is not a time"),
        ("status = done", 10, "ready, connector, in_progress, success, failed, cancelled", "'done' is not"),
        ("status = unspecified", 10, "ready, ", "is not"),
        ("result_message = NOW - 1", 18, "a value of this field", "is not"),
        ("failure_count=1 AND failure_count=2 OR failure_count=3", 37, "AND, the end", "do not mix"),
        ("(failure_count=1 OR failure_count=2 AND failure_count=3)", 37, "), OR", "do not mix"),
        ("(failure_count=1", 17, "), AND, OR", "the parenthesis at position 1 is not closed"),
        ("failure_count IN (1, 2", 23, "), a comma", "the parenthesis at position 18 is not closed"),
        ("failure_count=1)", 16, "AND, OR, the end", "never opened"),
        ("failure_count=1 AND", 20, "a field, (", "nothing after AND"),
        ("failure_count=1 or ", 20, "a field, (", "nothing after OR"),
        ("result_message = 'x", 20, "'", "from position 18 has no end"),
        ('result_message = "x""', 22, '"', "from position 18 has no end"),
        ("result_message eq", 18, "a value", "it ends where a value is expected"),
        ("result_message", 15, "BETWEEN, IN, IS, NOT, an operator", "it ends where"),
        ("created > NOW -", 16, "a number of days", "it ends where a number of days is expected"),
        ("failure_count BETWEEN 1", 24, "AND", "it ends where AND is expected"),
        ("failure_count BETWEEN 1 OR 2", 25, "AND", "'OR' stands where AND is expected"),
        ("NOT failure_count = 1", 1, "a field, (", "NOT goes after the field"),
        ("retry_of = NULL", 12, "a value", "NULL goes with IS"),
        ("result_message = contains", 18, "a value", "is a word of the language"),
        ("retry_of IS x", 13, "NOT, NULL", "'x' stands where NOT, NULL is expected"),
        ("failure_count IN ()", 19, "a value", "')' stands where a value is expected"),
        ("'failure_count' = 1", 1, "a field, (", "stands where a field, ( is expected"),
        ("failure_count ! 1", 15, "!=", "in != only"),
        ("result_message = 'a\0b'", 20, "another character", "no text has this character"),
    ],
)
def test_what_is_no_filter_is_told_where_and_why(text: str, position: int, expected: str, message: str) -> None:
    with pytest.raises(FilterInvalid, match=r"^filter, position ") as raised:
        parse_filter(text, NOW)

    assert raised.value.position == position
    assert raised.value.expected.startswith(expected)
    assert message in raised.value.rule
    assert raised.value.field == "filter"


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        ("retry_of = x".ljust(4_000), "retry_of = x".ljust(4_001)),
        (" OR ".join(["retry_of=x"] * 100), " OR ".join(["retry_of=x"] * 101)),
        (f"{'(' * 20}retry_of=x{')' * 20}", f"{'(' * 21}retry_of=x{')' * 21}"),
        (f"failure_count IN ({','.join('1' * 500)})", f"failure_count IN ({','.join('1' * 501)})"),
        (f"{'(' * 20}retry_of=x{')' * 20}", f"{'(' * 1_990}retry_of=x{')' * 1_990}"),
    ],
)
def test_filters_have_limits(taken: str, refused: str) -> None:
    assert parse_filter(taken, NOW) is not None
    with pytest.raises(FilterInvalid, match="at most"):
        parse_filter(refused, NOW)


def error_of(text: str) -> FilterInvalid | None:
    try:
        found = parse_filter(text, NOW)
    except FilterInvalid as error:
        return error
    assert found is not None or not text.strip()
    return None


PIECES = st.sampled_from(
    [*FILTER_WORDS, *PUBLIC_NAMES, "(", ")", ",", "'", '"', "!", "1", "true", "ready", "2025-01-01"]
)


@settings(max_examples=300, deadline=None)
@given(st.text() | st.lists(PIECES, max_size=20).map(" ".join))
@example("created = 0000-01-01")
@example("created = 9999-12-31T24:00")
@example("created = 9999-12-31T23:59:60")
@example("sync_request_id = '1_'")
def test_whatever_the_text_it_is_a_filter_or_told_why_not(text: str) -> None:
    error = error_of(text)

    assert error is None or (1 <= error.position <= len(text) + 1 and error.expected)
