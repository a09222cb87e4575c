"""Opening the port of a server: with TLS, or without where that is allowed."""

from __future__ import annotations

import grpc
import structlog

from syncline.server.address import Address, is_loopback
from syncline.server.config import Settings
from syncline.server.errors import SettingsInvalid
from syncline.server.transport.certificate_files import CertificateReloader, certificate_files

_log = structlog.get_logger(__name__)


def open_port(server: grpc.aio.Server, address: Address, settings: Settings) -> int:
    """Let the server listen on the address; answer the port.

    Raises:
        SettingsInvalid: the address cannot be bound, or may not without TLS; or the TLS files cannot be used.
    """
    credentials = server_credentials(settings)
    if credentials is None:
        check_plaintext(address, settings)
    try:
        if credentials is None:
            return server.add_insecure_port(str(address))
        return server.add_secure_port(str(address), credentials)
    except RuntimeError as error:
        raise SettingsInvalid(f"listen: {address} cannot be served on; is another server there?") from error


def check_plaintext(address: Address, settings: Settings) -> None:
    """Refuse an address that others can reach if nothing hides what goes over it.

    Raises:
        SettingsInvalid: it is refused.
    """
    if is_loopback(address.host):
        return
    if not settings.allow_plaintext:
        raise SettingsInvalid(
            f"listen: {address} is refused without TLS. Set tls_certificate_file and tls_key_file; or allow_plaintext, "
            "if something else in front of the server encrypts"
        )
    _log.warning("PLAINTEXT: whoever sees the network reads records and tokens", address=str(address))


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """The server's side of TLS, whose files are read again when they change; None: there is none.

    Raises:
        SettingsInvalid: one of the settings is missing, or a file cannot be used.
    """
    files = certificate_files(settings)
    if files is None:
        return None
    reloader = CertificateReloader(files)
    return grpc.dynamic_ssl_server_credentials(
        reloader.first,
        reloader.changed,  # type: ignore[arg-type]  # that it may answer None, the stubs do not know
        require_client_authentication=files.client_ca is not None,
    )
