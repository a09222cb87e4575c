"""Databases for all tests: fresh ones for each, from one server and one template a run."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from syncline.storage.sql import migrate
from tests.harness.postgres import FAST, PostgresServer
from tests.harness.secrets import count_told
from tests.harness.shared_postgres import shared_postgres, stop_shared_postgres

# It installs programs from the package index: `make e2e` asks for it.
collect_ignore = [] if "SYNCLINE_E2E" in os.environ else ["e2e"]

_FOLDER = "SYNCLINE_TEST_RUN_FOLDER"
"""Names the folder that all processes of this run share, in the environment that xdist's workers inherit."""


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A run in the background of a shell ignores Ctrl-C, and all programs that it starts would, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="syncline-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ.pop(_FOLDER))
        stop_shared_postgres(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that made anything log a secret has failed, whatever else it found."""
    report = yield
    told = count_told("".join(text for _, text in report.sections))
    if told and report.outcome != "failed":
        report.outcome = "failed"
        report.longrepr = f"what was logged up to the {report.when} tells {told} secrets"
    return report


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes never name a test: a zip file holds the time of its making, and all workers of a run must agree."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """The run's Postgres server. It does not wait for the disk: tests that kill a server start their own."""
    return shared_postgres(Path(os.environ[_FOLDER]), FAST)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh, migrated Postgres database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh, migrated SQLite file."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'store.db')}"


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
