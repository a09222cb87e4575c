"""What all conformance runs are watched for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.statements import strays, watched_statements


@pytest.fixture(scope="module", autouse=True)
def every_statement_keeps_to_one_account() -> Iterator[None]:
    """Whatever the tests of a module make the store send, each statement of it names the account."""
    with watched_statements() as statements:
        yield
    assert {statement: strays(statement) for statement in statements if strays(statement)} == {}
