"""What no store keeps in a text."""

from __future__ import annotations

from syncline.data.errors import DataError


def check_text(value: str, path: str) -> None:
    """Refuse NUL and lone surrogates, which not every database and no UTF-8 can hold.

    Raises:
        DataError: the text holds one.
    """
    if "\0" in value:
        raise DataError(_shown(path), "must not contain NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(_shown(path), "must not contain a lone surrogate") from None


def _shown(path: str) -> str:
    """The path in a form that can be printed: it may hold the very name that is refused."""
    return path.replace("\0", "\\u0000").encode(errors="backslashreplace").decode()
