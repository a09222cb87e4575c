"""Where a set of public keys comes from: a file, or a URL."""

from __future__ import annotations

import http.client
import urllib.request
from pathlib import Path
from typing import IO, Any, Final, Protocol
from urllib.parse import urlsplit

from syncline.server.address import is_loopback
from syncline.server.errors import SettingsInvalid
from syncline.server.file_state import file_state
from syncline.server.identity.http_deadline import deadline

_BYTES_MAX: Final = 1 << 20
_STEP_SECONDS: Final = 3.0
"""For the connection, and for each piece of an answer."""
_ANSWER_SECONDS_MAX: Final = 5.0
"""For an answer as a whole, its headers included: one that drips is cut off."""
_LATE: Final = f"the answer takes more than {_ANSWER_SECONDS_MAX:g} seconds"
_PIECE_BYTES: Final = 65_536


class JwksUnavailable(Exception):
    """The set cannot be read now. The text is for the log."""


class JwksSource(Protocol):
    """Gives the JSON text of a set."""

    @property
    def name(self) -> str:
        """For the log."""

    def read(self) -> bytes:
        """The text, or `JwksUnavailable`. It may take a while."""

    def stamp(self) -> object:
        """Changes when the text may have changed; None: that is not known without reading it."""


class FileSource:
    """A file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.name = path

    def read(self) -> bytes:
        """See `JwksSource`."""
        try:
            with self._path.open("rb") as file:
                return _whole(file.read(_BYTES_MAX + 1))
        except OSError as error:
            raise JwksUnavailable(error.strerror or type(error).__name__) from None

    def stamp(self) -> object:
        """See `JwksSource`."""
        return file_state(self._path)


class UrlSource:
    """An HTTPS address. Redirects are not followed: keys come from where the operator has said."""

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.hostname}{parts.path}"

    def read(self) -> bytes:
        """See `JwksSource`."""
        request = urllib.request.Request(self._url, headers={"accept": "application/json"})  # noqa: S310  checked
        with deadline(_ANSWER_SECONDS_MAX) as limit:
            opener = urllib.request.build_opener(_NoRedirects, *limit.handlers())
            try:
                with opener.open(request, timeout=_STEP_SECONDS) as answer:
                    text = _pieces(answer)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise JwksUnavailable(_LATE if limit.passed else str(error) or type(error).__name__) from None
        if limit.passed:  # what is cut off may look like an end
            raise JwksUnavailable(_LATE)
        return _whole(text)

    def stamp(self) -> object:
        """See `JwksSource`."""
        return None


def jwks_source(setting: str) -> JwksSource:
    """The source that the setting `jwks` names.

    Raises:
        SettingsInvalid: it is an address that nobody should trust.
    """
    if "://" not in setting:
        return FileSource(setting)
    parts = urlsplit(setting)
    if parts.username is not None or parts.password is not None:
        raise SettingsInvalid("jwks: the address must not hold a name or password")
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise SettingsInvalid("jwks: must be a file, or an address with https:// (http:// on loopback addresses only)")
    return UrlSource(setting)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Make none: the answer is then an error."""


def _pieces(answer: http.client.HTTPResponse | IO[bytes]) -> bytes:
    text = bytearray()
    while len(text) <= _BYTES_MAX and (piece := answer.read1(_PIECE_BYTES)):  # type: ignore[union-attr]
        text += piece
    return bytes(text)


def _whole(text: bytes) -> bytes:
    if len(text) > _BYTES_MAX:
        raise JwksUnavailable(f"it has more than {_BYTES_MAX:,} bytes")
    return text
