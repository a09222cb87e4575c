"""The certificate that the server shows, read from files and read again when they change."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from syncline.server.config import Settings
from syncline.server.errors import SettingsInvalid
from syncline.server.file_state import FileState, file_state

_log = structlog.get_logger(__name__)


class CertificateFiles(NamedTuple):
    """Where the certificate stands, with its key, and the authorities whose clients are let in."""

    certificate: Path
    key: Path
    client_ca: Path | None
    """None: clients need no certificate."""

    def read(self) -> grpc.ServerCertificateConfiguration:
        """What the files hold.

        Raises:
            SettingsInvalid: one cannot be read or holds something else, or the key is not the certificate's.
        """
        key, chain = _read("tls_key_file", self.key), _read("tls_certificate_file", self.certificate)
        _check_pair(key, chain, self)
        authorities = None
        if self.client_ca is not None:
            authorities = _read("tls_client_ca_file", self.client_ca)
            _certificates("tls_client_ca_file", self.client_ca, authorities)
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=authorities)

    def state(self) -> tuple[FileState | None, ...]:
        """That of each file."""
        return tuple(file_state(path) for path in self if path is not None)


def certificate_files(settings: Settings) -> CertificateFiles | None:
    """The files that the settings name; None: there is no TLS.

    Raises:
        SettingsInvalid: one of the settings is missing.
    """
    certificate, key, client_ca = settings.tls_certificate_file, settings.tls_key_file, settings.tls_client_ca_file
    if not (certificate or key or client_ca):
        return None
    if not (certificate and key):
        raise SettingsInvalid("tls_certificate_file and tls_key_file: TLS needs both")
    return CertificateFiles(Path(certificate), Path(key), Path(client_ca) if client_ca else None)


class CertificateReloader:
    """Gives gRPC a new certificate once there is one. gRPC asks before the handshake of each new connection."""

    def __init__(self, files: CertificateFiles) -> None:
        """Read the files.

        Raises:
            SettingsInvalid: see `CertificateFiles.read`.
        """
        self._files = files
        self._lock = threading.Lock()
        self._state = files.state()  # before they are read: a change in between is then seen
        self.first = files.read()
        """What the files held at first."""

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new certificate; None: the files are as they were, or what they hold now cannot be used."""
        with self._lock:
            state = self._files.state()
            if state == self._state:
                return None
            self._state = state  # so that what is broken is told once, and looked at again once it changes
            try:
                certificate = self._files.read()
            except SettingsInvalid as error:
                _log.warning("the new TLS files cannot be used; the old certificate stays", error=str(error))
                return None
            _log.info("took the new TLS certificate", file=str(self._files.certificate))
            return certificate


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsInvalid(f"{setting}: cannot read {path}: {error.strerror or error}") from error


def _certificates(setting: str, path: Path, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise SettingsInvalid(f"{setting}: {path} holds no certificates in PEM form") from error


def _check_pair(key: bytes, chain: bytes, files: CertificateFiles) -> None:
    first, *_ = _certificates("tls_certificate_file", files.certificate, chain)
    try:
        public = load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError) as error:  # the latter: it is encrypted
        raise SettingsInvalid(f"tls_key_file: {files.key} holds no private key in PEM form, not encrypted") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != first.public_key().public_bytes(*form):
        raise SettingsInvalid(f"tls_key_file: the key in {files.key} is not that of {files.certificate}")
