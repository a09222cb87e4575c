"""Secrets of enrollments: only the right key opens them, and only for their own enrollment."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from syncline.server.config import Settings, load_settings
from syncline.server.enrollments.secrets import SecretBox, SecretsSealed, secret_box, secret_names
from syncline.server.errors import SettingsInvalid
from tests.harness.secrets import secret

KEY = bytes(range(32))
TEXT = secret(base64.b64encode(KEY).decode())
SECRETS = {"password": "hunter2", "api": "käse"}


def test_what_was_sealed_is_opened_and_its_names_are_told_without_a_key() -> None:
    sealed = SecretBox(KEY).seal("a", "e", SECRETS)

    assert SecretBox(KEY).open("a", "e", sealed) == SECRETS
    assert secret_names(sealed) == ["api", "password"]
    assert b"hunter2" not in sealed


def test_sealing_the_same_twice_gives_other_bytes() -> None:
    box = SecretBox(KEY)

    assert box.seal("a", "e", SECRETS) != box.seal("a", "e", SECRETS)


def test_nothing_needs_no_key() -> None:
    box = SecretBox(None)

    assert box.seal("a", "e", {}) == b""
    assert box.open("a", "e", b"") == {}
    assert secret_names(b"") == []


@pytest.mark.parametrize(("account_id", "enrollment_id"), [("b", "e"), ("a", "f"), ("ae", ""), ("", "ae")])
def test_secrets_of_another_enrollment_are_not_opened(account_id: str, enrollment_id: str) -> None:
    sealed = SecretBox(KEY).seal("a", "e", SECRETS)

    with pytest.raises(SecretsSealed):
        SecretBox(KEY).open(account_id, enrollment_id, sealed)


def test_no_byte_can_be_changed() -> None:
    box = SecretBox(KEY)
    sealed = box.seal("a", "e", SECRETS)

    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SecretsSealed):
            box.open("a", "e", changed)
    for length in range(1, len(sealed)):
        with pytest.raises(SecretsSealed):
            box.open("a", "e", sealed[:length])


@pytest.mark.parametrize("box", [SecretBox(None), SecretBox(bytes(32))])
def test_without_the_key_nothing_is_opened(box: SecretBox) -> None:
    with pytest.raises(SecretsSealed, match="secret_key"):
        box.open("a", "e", SecretBox(KEY).seal("a", "e", SECRETS))


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(SecretsSealed, match="set secret_key or secret_key_file"):
        secret_box(load_settings()).seal("a", "e", SECRETS)


def test_the_key_comes_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{TEXT}\n")
    sealed = SecretBox(KEY).seal("a", "e", SECRETS)

    assert secret_box(load_settings(secret_key_file=str(tmp_path / "key"))).open("a", "e", sealed) == SECRETS
    monkeypatch.setenv("SYNCLINE_SECRET_KEY", TEXT)
    assert secret_box(load_settings()).open("a", "e", sealed) == SECRETS
    with pytest.raises(SettingsInvalid, match="only one of them"):
        secret_box(load_settings(secret_key_file=str(tmp_path / "key")))


@pytest.mark.parametrize("text", ["no base64!", base64.b64encode(KEY[:31]).decode()])
def test_what_is_no_key_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="secret_key: must be 32 bytes in base64") as refused:
        secret_box(load_settings(secret_key=text))

    assert text not in str(refused.value)


def test_a_file_that_has_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")

    for name in ("empty", "missing"):
        with pytest.raises(SettingsInvalid, match="secret_key_file"):
            secret_box(load_settings(secret_key_file=str(tmp_path / name)))


def test_the_key_is_shown_nowhere() -> None:
    settings: Settings = load_settings(secret_key=TEXT)

    assert TEXT not in repr(settings)
    assert TEXT not in settings.model_dump_json()
    assert TEXT not in repr(SecretBox(KEY))


def test_what_a_previous_key_sealed_is_opened_and_sealed_with_the_newest_only() -> None:
    old, rotated = SecretBox(KEY), SecretBox(bytes(32), [KEY])
    before, after = old.seal("a", "e", SECRETS), rotated.seal("a", "e", SECRETS)

    assert rotated.open("a", "e", before) == rotated.open("a", "e", after) == SECRETS
    assert [rotated.is_of_newest_key(sealed) for sealed in (before, after, b"")] == [False, True, True]
    with pytest.raises(SecretsSealed):
        old.open("a", "e", after)


def test_keys_change_with_their_files_and_stay_if_those_cannot_be_read(tmp_path: Path) -> None:
    newest, previous = tmp_path / "key", tmp_path / "previous"
    newest.write_text(TEXT)
    previous.write_text("")
    box = secret_box(load_settings(secret_key_file=str(newest), secret_key_previous_file=str(previous)))
    before = box.seal("a", "e", SECRETS)

    previous.write_text(f"{TEXT}\n")
    newest.write_text(f"{base64.b64encode(bytes(32)).decode()}\n")
    assert not box.is_of_newest_key(before)
    assert box.open("a", "e", before) == SECRETS
    newest.write_text("no key")
    assert box.open("a", "e", before) == SECRETS
    previous.write_text(f"{base64.b64encode(bytes(31) + b'1').decode()}  {base64.b64encode(bytes(32)).decode()}")
    newest.write_text(base64.b64encode(bytes(32)).decode())
    with pytest.raises(SecretsSealed):
        box.open("a", "e", before)


def test_previous_keys_need_one_that_seals() -> None:
    with pytest.raises(SettingsInvalid, match="set secret_key, too"):
        secret_box(load_settings(secret_key_previous=TEXT))
    with pytest.raises(SettingsInvalid, match="has several keys"):
        secret_box(load_settings(secret_key=f"{TEXT} {TEXT}"))
