"""The keys of secrets, as the settings name them. Files are read again when they change: keys change without a stop."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

import structlog

from syncline.server.config import Settings
from syncline.server.errors import SettingsInvalid
from syncline.server.file_state import FileState, file_state

KEY_BYTES: Final = 32

_log = structlog.get_logger(__name__)


class Keys(NamedTuple):
    """What there is."""

    newest: bytes | None
    """Seals; None: there is no key."""
    previous: tuple[bytes, ...]
    """Open what was sealed before."""


class SecretKeys:
    """Reads the keys. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files = [Path(path) for path in (settings.secret_key_file, settings.secret_key_previous_file) if path]
        self._seen: list[FileState | None] = []
        self._lock = Lock()

    def read(self) -> Keys:
        """The keys as they are now.

        Raises:
            SettingsInvalid: a key is given twice, a file cannot be read, or what is given is no key.
        """
        self._seen = [file_state(path) for path in self._files]
        settings = self._settings
        newest = _read("secret_key", settings.secret_key.get_secret_value(), settings.secret_key_file)
        if len(newest) > 1:
            raise SettingsInvalid(
                f"{'secret_key_file' if settings.secret_key_file else 'secret_key'}: has several keys"
            )
        name, text = "secret_key_previous", settings.secret_key_previous.get_secret_value()
        previous = _read(name, text, settings.secret_key_previous_file, may_be_empty=True)
        if previous and not newest:
            raise SettingsInvalid(f"{name}: set secret_key, too: what seals from now on")
        return Keys(newest[0] if newest else None, tuple(previous))

    def read_changed(self) -> Keys | None:
        """The keys, if a file has changed since they were read; what cannot be read leaves them as they were."""
        if not self._files:
            return None
        with self._lock:
            if [file_state(path) for path in self._files] == self._seen:
                return None
            try:
                keys = self.read()
            except SettingsInvalid as error:
                _log.error("the keys of secrets stay as they were", error=str(error))
                return None
        _log.info("the keys of secrets were read again", previous=len(keys.previous))
        return keys


def _read(name: str, text: str, file: str, *, may_be_empty: bool = False) -> list[bytes]:
    """The keys of a setting or of its file, which are separated by spaces or lines."""
    source = name
    if file:
        if text:
            raise SettingsInvalid(f"{name}, {name}_file: only one of them can be set")
        source = f"{name}_file"
        try:
            text = Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is no text"
            raise SettingsInvalid(f"{source}: cannot read {file}: {why}") from None
    words = text.split()
    if file and not words and not may_be_empty:
        raise SettingsInvalid(f"{source}: must be {KEY_BYTES} bytes in base64, and is empty")
    return [_key(source, word) for word in words]


def _key(source: str, word: str) -> bytes:
    try:
        key = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        raise SettingsInvalid(f"{source}: must be {KEY_BYTES} bytes in base64, and is no base64") from None
    if len(key) != KEY_BYTES:
        raise SettingsInvalid(f"{source}: must be {KEY_BYTES} bytes in base64, and has {len(key)}")
    return key
