"""The address to serve on, as an operator writes it."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from syncline.server.errors import SettingsInvalid


class Address(NamedTuple):
    """A host and a port; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, setting: str = "listen") -> Address:
    """Read `HOST:PORT`; an IPv6 address stands in brackets.

    Args:
        text: As the operator wrote it.
        setting: Where.

    Raises:
        SettingsInvalid: it is none.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise SettingsInvalid(f"{setting}: must be HOST:PORT, such as 127.0.0.1:7400, not {text!r}")
    return Address(host, int(port))


def require_loopback(address: Address) -> None:
    """Refuse addresses that others can reach: development mode asks nobody for credentials.

    Raises:
        SettingsInvalid: it is not a loopback address.
    """
    if not is_loopback(address.host):
        raise SettingsInvalid(
            f"listen: {address} is refused. The server runs in development mode, without credentials, and serves "
            "loopback addresses only, such as 127.0.0.1:7400 or [::1]:7400"
        )


def is_loopback(host: str) -> bool:
    """Does only this machine reach the host?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
