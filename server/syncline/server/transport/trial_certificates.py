"""An authority of one's own and certificates by it, for trying TLS out."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CLOCK_SKEW = timedelta(hours=1)
_AUTHORITY_DAYS = 3_650


class Authority(NamedTuple):
    """Signs certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def open_authority(folder: Path) -> Authority:
    """The authority of `ca.pem` and `ca.key` in the folder; they are made if they are not there.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: a file is none of an authority that was made here.
    """
    certificate_file, key_file = folder / "ca.pem", folder / "ca.key"
    if certificate_file.exists():
        loaded = load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_file} holds another kind of key")
        return Authority(x509.load_pem_x509_certificate(certificate_file.read_bytes()), loaded)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Syncline trial authority")
    certificate = (
        _begin(name, name, key, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    _write(certificate_file, certificate, key_file, key)
    return Authority(certificate, key)


def issue_server_certificate(authority: Authority, folder: Path, hosts: Sequence[str], days: int) -> None:
    """Write `server.pem` and `server.key`, for servers that clients find under these names and addresses."""
    names = x509.SubjectAlternativeName([_host(host) for host in hosts])
    _issue(authority, folder, "server", hosts[0], days, ExtendedKeyUsageOID.SERVER_AUTH, names)


def issue_client_certificate(authority: Authority, folder: Path, name: str, days: int) -> None:
    """Write `client.pem` and `client.key`, for a client to show to servers that ask for a certificate."""
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    _issue(authority, folder, "client", name, days, ExtendedKeyUsageOID.CLIENT_AUTH, names)


def _issue(
    authority: Authority,
    folder: Path,
    stem: str,
    common_name: str,
    days: int,
    usage: x509.ObjectIdentifier,
    names: x509.SubjectAlternativeName,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _begin(_name(common_name), authority.certificate.subject, key, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(names, critical=False)
        .sign(authority.key, SHA256())
    )
    _write(folder / f"{stem}.pem", certificate, folder / f"{stem}.key", key)


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _CLOCK_SKEW,
        not_valid_after=now + timedelta(days=days),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(
    certificate_file: Path, certificate: x509.Certificate, key_file: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    """Put both in place whole: a server may be reading them. The key is its owner's only."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for path, content in ((key_file, pem), (certificate_file, certificate.public_bytes(Encoding.PEM))):
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        part.write_bytes(content)
        part.replace(path)
    certificate_file.chmod(0o644)
