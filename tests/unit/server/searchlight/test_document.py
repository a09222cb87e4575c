"""docs/searchlight.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncline.server.errors import FilterInvalid
from syncline.server.requests.searchlight import DEFAULT_ORDER, parse_filter, parse_order
from syncline.server.requests.searchlight.fields import ADS_NAMES, PUBLIC_NAMES
from syncline.storage.filters import Comparison

TEXT = (Path(__file__).parents[4] / "docs" / "searchlight.md").read_text()
EXAMPLES = {
    kind: [line for block in re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
    for kind in ("filter", "order_by")
}
ERRORS = re.findall(r"^\| `([^|]+)` \| (\d+) \| (.+) \|$", TEXT, re.MULTILINE)
FIELDS = re.findall(r"^\| (`[a-z_.`, ]+`) \|(?: `(\w+)`)? \| (?:a|an|true|text)\b", TEXT, re.MULTILINE)
NOW = 1_750_000_000_000_000


def field_of(name: str) -> str:
    found = parse_filter(f"{name} IS NULL", NOW)
    assert isinstance(found, Comparison)
    return found.field


@pytest.mark.parametrize("text", EXAMPLES["filter"])
def test_the_filters_are_filters(text: str) -> None:
    assert parse_filter(text, NOW) is not None


@pytest.mark.parametrize("text", EXAMPLES["order_by"])
def test_the_orders_are_orders(text: str) -> None:
    assert parse_order(text)


@pytest.mark.parametrize(("text", "position", "message"), ERRORS)
def test_the_errors_are_those_that_are_told(text: str, position: str, message: str) -> None:
    with pytest.raises(FilterInvalid) as raised:
        parse_filter(text, NOW)

    assert (raised.value.position, raised.value.rule) == (int(position), message)


def test_all_names_of_fields_are_there_and_mean_the_same() -> None:
    told = [(re.findall(r"`([^`]+)`", public), ads) for public, ads in FIELDS]

    assert {name for names, _ in told for name in names} == set(PUBLIC_NAMES)
    assert set(ADS_NAMES) <= {ads for _, ads in told}
    for names, ads in told:
        if ads:
            assert {field_of(name) for name in names} == {field_of(ads)}


def test_the_default_order_is_told() -> None:
    assert parse_order("create_time DESC") == DEFAULT_ORDER
    assert len(EXAMPLES["filter"]) == 5
    assert len(ERRORS) == 12
