"""Secrets that tests use, and the look for them in all that is logged: no part of the system may tell one.

What a test makes known here is looked for in all that this process's tests log from then on, as do the workers that
they start, in the log of every server process that `start_server` runs, and in the logs and spans of local clusters.
What programs answer to the test itself is not looked at.
"""

from __future__ import annotations

_CHARS_MIN = 12
"""What is shorter may stand in a log by chance."""

_known: set[str] = set()


def secret(text: str, *parts: str) -> str:
    """The text, which from now on must stand in no log, nor may these parts of it."""
    for one in (text, *parts):
        assert len(one) >= _CHARS_MIN, "too short to be told from other text"
        _known.add(one)
    return text


def secret_token(token: str) -> str:
    """The same of a signed token, of which the signature alone is worth hiding, too."""
    signature = token.rpartition(".")[2]
    return secret(token, *([signature] if len(signature) >= _CHARS_MIN else []))


def count_told(text: str) -> int:
    """How many secrets the text tells. It is not said which: that would be told again."""
    return sum(one in text for one in _known)


def check_untold(text: str, where: str) -> None:
    """Fail if the text tells a secret."""
    found = count_told(text)
    assert not found, f"{where} tells {found} secrets"
