"""Certificates, keys, and who proves identities."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from syncline.server.address import is_loopback, parse_address
from syncline.server.config import Settings
from syncline.server.doctor.findings import Finding, State
from syncline.server.enrollments.secrets import secret_box
from syncline.server.errors import SettingsInvalid
from syncline.server.identity.credentials import check_credentials, is_development
from syncline.server.identity.jwks import read_set
from syncline.server.identity.jwks_source import JwksUnavailable, jwks_source
from syncline.server.transport.certificate_files import certificate_files

_EXPIRES_SOON: Final = timedelta(days=14)


def look_at_secrets(settings: Settings) -> Iterator[Finding]:
    """What the server proves itself with, and by what it knows others."""
    yield _address(settings)
    yield from _metrics_address(settings)
    yield from _certificate(settings)
    yield _secret_key(settings)
    yield from _credentials(settings)


def _address(settings: Settings) -> Finding:
    try:
        address = parse_address(settings.listen)
    except SettingsInvalid as error:
        return Finding("address", State.FAIL, str(error), "set SYNCLINE_LISTEN to HOST:PORT")
    if is_loopback(address.host):
        mode = "development mode: no credentials" if is_development(settings) else "credentials are asked for"
        return Finding("address", State.OK, f"{address}, for this machine only; {mode}")
    if is_development(settings):
        found = f"{address} can be reached by others, and nobody is asked for credentials"
        return Finding("address", State.FAIL, found, "set api_keys, or jwt_issuer, jwt_audience and jwks")
    if not settings.tls_certificate_file:
        state = State.WARN if settings.allow_plaintext else State.FAIL
        return Finding("address", state, f"{address} without TLS", "set tls_certificate_file and tls_key_file")
    return Finding("address", State.OK, f"{address} with TLS")


def _metrics_address(settings: Settings) -> Iterator[Finding]:
    if not settings.metrics_listen:
        return
    try:
        address = parse_address(settings.metrics_listen, setting="metrics_listen")
    except SettingsInvalid as error:
        yield Finding(
            "metrics address", State.FAIL, str(error), "set SYNCLINE_METRICS_LISTEN to HOST:PORT, or unset it"
        )
    else:
        yield Finding("metrics address", State.OK, f"{address}, to everybody who reaches it")


def _certificate(settings: Settings) -> Iterator[Finding]:
    try:
        files = certificate_files(settings)
        if files is None:
            return
        files.read()
    except SettingsInvalid as error:
        advice = "mend the settings or the files; a running server keeps the old certificate"
        yield Finding("certificate", State.FAIL, str(error), advice)
        return
    yield _expiry("certificate", files.certificate)
    if files.client_ca is not None:
        yield _expiry("client authorities", files.client_ca)


def _expiry(subject: str, file: Path) -> Finding:
    ends = min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(file.read_bytes()))
    left = ends - datetime.now(UTC)
    found = f"valid until {ends:%Y-%m-%d %H:%M} UTC"
    if left <= timedelta():
        return Finding(subject, State.FAIL, f"not valid since {ends:%Y-%m-%d %H:%M} UTC", f"put a new one at {file}")
    if left < _EXPIRES_SOON:
        return Finding(subject, State.WARN, found, f"put a new one at {file}; no restart is needed")
    return Finding(subject, State.OK, found)


def _secret_key(settings: Settings) -> Finding:
    try:
        secret_box(settings)
    except SettingsInvalid as error:
        return Finding("secret key", State.FAIL, str(error), "see SYNCLINE_SECRET_KEY in the README")
    is_set = settings.secret_key.get_secret_value() or settings.secret_key_file
    return Finding("secret key", State.OK, "it is one" if is_set else "none: enrollments take no secrets")


def _credentials(settings: Settings) -> Iterator[Finding]:
    """What callers prove themselves with, and the keys that their tokens are signed with."""
    try:
        check_credentials(settings)
    except SettingsInvalid as error:
        yield Finding("credentials", State.FAIL, str(error), "set jwt_issuer, jwt_audience and jwks, or none of them")
        return
    if not settings.jwks:
        return
    try:
        keys = read_set(jwks_source(settings.jwks).read())
    except JwksUnavailable as error:
        advice = "check SYNCLINE_JWKS; a running server goes on with the keys that it knows"
        yield Finding("keys of tokens", State.FAIL, str(error), advice)
        return
    state = State.OK if keys else State.FAIL
    yield Finding("keys of tokens", state, f"{len(keys)} that can be used", "" if keys else "the set needs a key")
