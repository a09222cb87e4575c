"""The one line that says how a request ended, or why an attempt failed. Without secrets: it is stored and shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from syncline.server.enrollments.secrets import SecretsSealed
from syncline.server.errors import ServerError
from syncline.server.requests.connectors.contract import ConnectorError
from syncline.storage.errors import StoreError
from syncline.storage.request_models import RESULT_MESSAGE_CHARS_MAX, Progress

_URL_PASSWORD: Final = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
_OWN_ERRORS: Final = (ConnectorError, StoreError, ServerError, SecretsSealed)
"""Their texts are written for people; of any other the name of its class says more."""
_SECRET_CHARS_MIN: Final = 4
"""A shorter secret is not looked for: it would stand in half of all messages by chance."""


def counts_message(progress: Progress) -> str:
    """What became of the rows, such as `1,000 read: 990 inserted, 10 failed`."""
    counts = {
        "inserted": progress.inserted,
        "updated": progress.updated,
        "deleted": progress.deleted,
        "unchanged": progress.skipped,
        "failed": progress.failed,
    }
    parts = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    return f"{progress.read:,} read" + (f": {parts}" if parts else "")


def written_message(text: str, progress: Progress) -> str:
    """A text that says why a request ended early, with what was committed before and stays."""
    written = progress.inserted + progress.updated + progress.deleted
    tail = f"; {written:,} rows were written before"
    return text[: RESULT_MESSAGE_CHARS_MAX - len(tail)] + tail


def error_message(error: BaseException, secrets: Iterable[str]) -> str:
    """The first line of an error, without secrets."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip() if lines else ""
    if not isinstance(error, _OWN_ERRORS):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return without_secrets(text, secrets)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with stars in place of secrets and of passwords in URLs, cut to what a message may have."""
    # The longest first: one secret may be a part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SECRET_CHARS_MIN:
            text = text.replace(secret, "***")
    return _URL_PASSWORD.sub(r"\1:***@", text)[:RESULT_MESSAGE_CHARS_MAX]
