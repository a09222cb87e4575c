"""Which server, with which credentials, as which device: what every call of a client has in common."""

from __future__ import annotations

import importlib.metadata
import ipaddress
import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from syncline.client.device_file import device_uuid_from_file
from syncline.client.errors import InvalidOption
from syncline.client.requests import client_info_message
from syncline.v1 import sync_service_pb2

Device = UUID | str | os.PathLike[str]
"""A UUID, as an object or as text; or the path of a file that keeps it."""

Token = str | Callable[[], str]
"""A bearer token, or a function that gives the one to use now; it is called before every call."""

CLIENT_NAME = "syncline-client"
CLIENT_VERSION = importlib.metadata.version("syncline")

_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:", "passthrough:")


@dataclass(frozen=True, slots=True)
class ServerEndpoint:
    """One server, or several that share a store, and how it is reached."""

    target: str
    token: Token | None
    ca_file: Path | None
    """PEM file of the authorities to trust; None: those that come with gRPC."""
    plaintext: bool
    """No TLS."""
    deadline_s: float
    """The longest that one call may take. It does not limit a stream."""

    @classmethod
    def at(
        cls,
        target: str,
        *,
        token: Token | None,
        ca_file: str | os.PathLike[str] | None,
        insecure: bool | None,
        deadline_s: float,
    ) -> ServerEndpoint:
        """Check the arguments of a client and bring them into form.

        Raises:
            InvalidOption: an argument makes no sense.
        """
        _check_target(target)
        if not (deadline_s > 0 and math.isfinite(deadline_s)):
            raise InvalidOption(f"deadline_s must be a number of seconds above 0, not {deadline_s!r}")
        if insecure and ca_file is not None:
            raise InvalidOption("insecure=True means no TLS: ca_file has no use then")
        plaintext = insecure if insecure is not None else ca_file is None and is_loopback(target)
        ca_path = None if ca_file is None else Path(ca_file)
        return ServerEndpoint(target, token, ca_path, plaintext, deadline_s)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata of one call.

        Raises:
            InvalidOption: the token cannot be sent in a header.
        """
        if self.token is None:
            return ()
        token = self.token() if callable(self.token) else self.token
        if not (token.isascii() and token.isprintable()):
            raise InvalidOption("the token must be printable ASCII, without line breaks")  # gRPC would print it
        return (("authorization", f"Bearer {token}"),)


@dataclass(frozen=True, slots=True)
class Endpoint(ServerEndpoint):
    """A server, seen by one device."""

    device_uuid: UUID
    client_info: sync_service_pb2.ClientInfo

    @classmethod
    def of(
        cls,
        target: str,
        device: Device,
        *,
        token: Token | None,
        ca_file: str | os.PathLike[str] | None,
        insecure: bool | None,
        deadline_s: float,
        name: str,
        version: str,
    ) -> Endpoint:
        """Check the arguments of a client and bring them into form.

        Raises:
            InvalidOption: an argument makes no sense.
            DeviceFileError: the device file cannot be used.
        """
        server = ServerEndpoint.at(target, token=token, ca_file=ca_file, insecure=insecure, deadline_s=deadline_s)
        return cls(
            target=server.target,
            token=server.token,
            ca_file=server.ca_file,
            plaintext=server.plaintext,
            deadline_s=server.deadline_s,
            device_uuid=_device_uuid(device),
            client_info=client_info_message(
                name, version, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
            ),
        )

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata of one call.

        Raises:
            InvalidOption: the token cannot be sent in a header.
        """
        # Not super(): a dataclass with slots is another class than the one that its methods were written in.
        return (("syncline-device-uuid", str(self.device_uuid)), *ServerEndpoint.metadata(self))


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
