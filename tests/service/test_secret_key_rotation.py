"""The key of enrollments' secrets is changed while a server runs."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncline.storage import open_store
from syncline.v1 import app_enrollment_service_pb2 as pb2
from tests.harness.secrets import secret
from tests.harness.server import RunningApp, declare_notes, running_app
from tests.service.requesting import RequestCalls, request_calls

OLD, NEW = (secret(base64.b64encode(os.urandom(32)).decode()) for _ in range(2))


@pytest.fixture
async def app(sqlite_url: str, tmp_path: Path) -> AsyncIterator[RunningApp]:
    (tmp_path / "key").write_text(OLD)
    (tmp_path / "previous").touch()
    files = {"secret_key_file": str(tmp_path / "key"), "secret_key_previous_file": str(tmp_path / "previous")}
    store = open_store(sqlite_url)
    declare_notes(store)
    async with running_app(store, embedded_worker=False, database_url=sqlite_url, **files) as app:
        yield app
    store.close()


def reseal(app: RunningApp) -> subprocess.CompletedProcess[str]:
    settings = app.environment.settings
    env = {
        "SYNCLINE_SECRET_KEY_FILE": settings.secret_key_file,
        "SYNCLINE_SECRET_KEY_PREVIOUS_FILE": settings.secret_key_previous_file,
    }
    command = [sys.executable, "-m", "syncline.server", "secrets", "reseal", "--database", settings.database_url]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)


async def change_one_secret(calls: RequestCalls, enrollment: pb2.AppEnrollment) -> pb2.AppEnrollment:
    """The other one must be opened for that."""
    wanted = pb2.UpdateAppEnrollmentRequest(app_enrollment=enrollment, secrets={"token": "another"})
    return await calls.enrollments.UpdateAppEnrollment(wanted)


async def test_secrets_are_opened_all_the_while_and_need_the_old_key_no_more(app: RunningApp, tmp_path: Path) -> None:
    async with request_calls(app.address) as calls:
        made = await calls.enroll("books", secrets={"password": "first", "token": "first"})
        untouched = await calls.enroll("archive", secrets={"password": "second"})
        (tmp_path / "previous").write_text(OLD)
        (tmp_path / "key").write_text(NEW)

        changed = await change_one_secret(calls, made)
        resealed = reseal(app)
        assert (resealed.returncode, resealed.stderr) == (0, "")
        assert resealed.stdout == "the secrets of 1 enrollments were sealed anew\n"
        assert reseal(app).stdout == "the secrets of 0 enrollments were sealed anew\n"
        (tmp_path / "previous").write_text("")

        changed = await change_one_secret(calls, changed)
        assert list(changed.secret_names) == ["password", "token"]
        kept = app.store.get_enrollment("dev", untouched.app_enrollment_id)
        assert app.environment.secrets.open("dev", kept.enrollment_id, kept.sealed_secrets) == {"password": "second"}


async def test_what_no_key_opens_is_told_and_the_rest_is_sealed(app: RunningApp, tmp_path: Path) -> None:
    async with request_calls(app.address) as calls:
        await calls.enroll("books", secrets={"password": "first"})
    (tmp_path / "key").write_text(NEW)

    refused = reseal(app)

    assert refused.returncode == 1
    assert refused.stderr == "error: no key opens the secrets of 'books' of the account 'dev': give them anew\n"
    (tmp_path / "key").write_text("")
    assert reseal(app).returncode == 2
