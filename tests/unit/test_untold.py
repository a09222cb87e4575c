"""The look for secrets in all that is logged finds them."""

from __future__ import annotations

import pytest

from tests.conftest import pytest_runtest_makereport
from tests.harness.secrets import check_untold, secret, secret_token


def judged(logged: str) -> str:
    """How a test that passed, and logged this, is reported."""
    report = pytest.TestReport("a test", ("", 0, ""), {}, "passed", None, "call", [("Captured stdout call", logged)])
    judging = pytest_runtest_makereport()
    next(judging)
    with pytest.raises(StopIteration) as ended:
        judging.send(report)
    assert ended.value.value is report
    return str(report.outcome)


def test_a_test_that_logs_a_secret_fails() -> None:
    hidden, token = secret("kept from logs"), secret_token("head.claims.signature-of-it")

    assert [judged(text) for text in ("all is well", f"with {hidden}", token[12:])] == ["passed", "failed", "failed"]


def test_the_log_of_a_process_is_looked_at() -> None:
    hidden = secret("kept from the log of a process")

    with pytest.raises(AssertionError, match="the log tells 1 secrets") as failed:
        check_untold(f"password={hidden}", "the log")
    assert hidden not in str(failed.value)
