"""Settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from syncline.server.address import Address, parse_address, require_loopback
from syncline.server.config import Settings, load_settings
from syncline.server.enrollments.secrets import secret_box
from syncline.server.errors import SettingsInvalid


def test_options_override_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCLINE_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("SYNCLINE_THREADS", "3")

    settings = load_settings(listen="127.0.0.1:2", account=None)

    assert (settings.listen, settings.threads, settings.account) == ("127.0.0.1:2", 3, "dev")


def test_every_broken_setting_is_named() -> None:
    with pytest.raises(SettingsInvalid, match=r"threads: .*poll_seconds: "):
        load_settings(threads=0, poll_seconds=0)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_no_setting_that_breaks_its_rule_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "hunter2-" * 20
    monkeypatch.setenv(f"SYNCLINE_{name.upper()}", wrong)
    try:
        settings = load_settings()
    except SettingsInvalid as error:
        told = f"{error} {error.__cause__}"
        assert name in told
    else:
        told = repr(settings) if isinstance(getattr(settings, name), SecretStr) else ""
    assert "hunter2" not in told


@pytest.mark.parametrize("name", ["secret_key", "secret_key_previous"])
@pytest.mark.parametrize("wrong", ["hunter2 hunter2", "aHVudGVyMg==", "hünter2"])
def test_a_wrong_secret_is_not_told(name: str, wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(wrong)
    for settings in ({name: wrong}, {f"{name}_file": str(file)}):
        with pytest.raises(SettingsInvalid) as caught:
            secret_box(load_settings(**settings))
        assert name in str(caught.value)
        assert not any(word in str(caught.value) for word in wrong.split())
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["principal_upload_bytes_per_minute", "account_upload_bytes_per_minute"])
def test_no_upload_rate_is_so_low_that_a_chunk_of_a_batch_would_be_refused(name: str) -> None:
    for refused in (1, 3_199_999):
        with pytest.raises(SettingsInvalid, match=f"{name}: .*must be 0, or 3,200,000 at least"):
            load_settings(**{name: refused})
    for taken in (0, 3_200_000):
        assert getattr(load_settings(**{name: taken}), name) == taken


def test_every_setting_is_described() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]

    assert not undescribed


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7400", Address("127.0.0.1", 7400)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text
    require_loopback(address)


@pytest.mark.parametrize("text", ["", ":7400", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:65536", "a:1²"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid):
        parse_address(text)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])  # noqa: S104  refused
def test_an_address_that_others_reach_is_refused(host: str) -> None:
    with pytest.raises(SettingsInvalid, match="loopback"):
        require_loopback(Address(host, 1))
