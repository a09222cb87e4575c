"""Which server, with which credentials, as which device: what every call of a client has in common."""

from __future__ import annotations

import importlib.metadata
import ipaddress
import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack
from uuid import UUID

from syncline.client.device_file import device_uuid_from_file
from syncline.client.errors import InvalidOption
from syncline.client.requests import client_info_message
from syncline.client.tokens import Token
from syncline.v1 import sync_service_pb2

Device = UUID | str | os.PathLike[str]
"""A UUID, as an object or as text; or the path of a file that keeps it."""

Metadata = tuple[tuple[str, str], ...]

CLIENT_NAME = "syncline-client"
CLIENT_VERSION = importlib.metadata.version("syncline")

_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "passthrough:")


_File = str | os.PathLike[str]


class ConnectionOptions(TypedDict, total=False):
    """How a server is reached: options that all clients, and `Replica.open`, take by name."""

    token: Token | None
    """A bearer token, or a function that gives one; see `Token`."""
    ca_file: _File | None
    """PEM file of the authorities to trust; unset: those that come with gRPC."""
    client_certificate: _File | None
    """PEM file of the certificate to show to servers that ask for one (mTLS)."""
    client_key: _File | None
    """PEM file of its private key."""
    insecure: bool | None
    """True: no TLS. Unset: no TLS only to loopback addresses, and without a `ca_file` or `client_certificate`."""
    allow_plaintext: bool
    """Send the token without TLS to addresses that are not loopback, too. Otherwise that is refused."""
    deadline_s: float
    """The longest that one call may take, in seconds; 30 if unset. Streams have no deadline."""


@dataclass(frozen=True, slots=True)
class ServerEndpoint:
    """One server, or several that share a store, and how it is reached."""

    target: str
    token: Token | None
    ca_file: Path | None
    """PEM file of the authorities to trust; None: those that come with gRPC."""
    client_certificate: tuple[Path, Path] | None
    """PEM files of the certificate to show, and of its key."""
    plaintext: bool
    """No TLS."""
    deadline_s: float
    """The longest that one call may take. It does not limit a stream."""

    @classmethod
    def at(cls, target: str, **options: Unpack[ConnectionOptions]) -> ServerEndpoint:
        """Check the arguments of a client and bring them into form.

        Raises:
            InvalidOption: an argument makes no sense.
        """
        return ServerEndpoint(*_checked(target, **options))

    def metadata(self, token: str | None) -> Metadata:
        """The metadata of one call, with this token."""
        return () if token is None else (("authorization", f"Bearer {token}"),)


@dataclass(frozen=True, slots=True)
class Endpoint(ServerEndpoint):
    """A server, seen by one device."""

    device_uuid: UUID
    client_info: sync_service_pb2.ClientInfo

    @classmethod
    def of(
        cls, target: str, device: Device, *, name: str, version: str, **options: Unpack[ConnectionOptions]
    ) -> Endpoint:
        """Check the arguments of a client and bring them into form.

        Raises:
            InvalidOption: an argument makes no sense.
            DeviceFileError: the device file cannot be used.
        """
        return cls(
            *_checked(target, **options),
            device_uuid=_device_uuid(device),
            client_info=client_info_message(
                name, version, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
            ),
        )

    def metadata(self, token: str | None) -> Metadata:
        """The metadata of one call, with this token."""
        # Not super(): a dataclass with slots is another class than the one that its methods were written in.
        return (("syncline-device-uuid", str(self.device_uuid)), *ServerEndpoint.metadata(self, token))


def _checked(
    target: str,
    *,
    token: Token | None = None,
    ca_file: _File | None = None,
    client_certificate: _File | None = None,
    client_key: _File | None = None,
    insecure: bool | None = None,
    allow_plaintext: bool = False,
    deadline_s: float = 30.0,
) -> tuple[str, Token | None, Path | None, tuple[Path, Path] | None, bool, float]:
    """The fields of a `ServerEndpoint`; `InvalidOption` if an argument makes no sense."""
    _check_target(target)
    if not (deadline_s > 0 and math.isfinite(deadline_s)):
        raise InvalidOption(f"deadline_s must be a number of seconds above 0, not {deadline_s!r}")
    if (client_certificate is None) != (client_key is None):
        raise InvalidOption("client_certificate and client_key go together")
    is_tls = ca_file is not None or client_certificate is not None
    if insecure and is_tls:
        raise InvalidOption("insecure=True means no TLS: ca_file and client_certificate have no use then")
    plaintext = insecure if insecure is not None else not is_tls and is_loopback(target)
    if plaintext and token is not None and not allow_plaintext and not is_loopback(target):
        raise InvalidOption(
            f"the token would go to {target} for everybody on the way to read: use TLS, or allow_plaintext=True"
        )
    pair = None
    if client_certificate is not None and client_key is not None:
        pair = (Path(client_certificate), Path(client_key))
    return target, token, None if ca_file is None else Path(ca_file), pair, plaintext, deadline_s


def is_loopback(target: str) -> bool:
    """Does every address of the target stay on this machine?"""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    return all(_is_loopback_host(_host(address)) for address in target.rpartition("/")[2].split(","))


def names_several(target: str) -> bool:
    """Does the target list several servers, or name what a name service may list several for?"""
    return "," in target or target.startswith("dns:")


def _host(address: str) -> str:
    for scheme in _SCHEMES:
        address = address.removeprefix(scheme)
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.rpartition(":")[0] or address


def _is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_target(target: str) -> None:
    if target.startswith(_SCHEMES):
        return
    host, colon, port = target.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 65536) or "/" in target or not target.isprintable():
        raise InvalidOption(f"target must be host:port, such as 127.0.0.1:7400, not {target!r}")
    if "," in target:
        raise InvalidOption(f"several addresses need ipv4: or ipv6: before them, as in 'ipv4:{target}'")


def _device_uuid(device: Device) -> UUID:
    if isinstance(device, UUID):
        return device
    if isinstance(device, str):
        try:
            return UUID(device)
        except ValueError:
            raise InvalidOption(f"device {device!r} is no UUID; to keep one in a file, pass a pathlib.Path") from None
    return device_uuid_from_file(Path(device))
