"""Checking the fields of a request; an answer names all broken rules at once."""

from __future__ import annotations

from uuid import UUID

from syncline.server.errors import InvalidRequest, Violation
from syncline.server.limits import VIOLATIONS_MAX

_UUID_CHARS = 36


class Violations:
    """Collects the broken rules of one request."""

    def __init__(self) -> None:
        self._found: list[Violation] = []

    def add(self, field: str, rule: str) -> None:
        """Note a broken rule."""
        self._found.append(Violation(field, rule))

    def count(self, field: str, found: int, most: int) -> bool:
        """Check the length of a list. If it is too long, there is no use in looking at its elements."""
        if found > most:
            self.add(field, f"at most {most:,} entries, not {found:,}")
        return found <= most

    def text(self, field: str, value: str, chars_max: int, *, required: bool = False) -> None:
        """Check a text that is to be kept or looked up."""
        if required and not value:
            self.add(field, "must not be empty")
        elif len(value) > chars_max:
            self.add(field, f"at most {chars_max:,} characters, not {len(value):,}")
        elif "\0" in value:
            self.add(field, "must not contain a NUL character")

    def uuid(self, field: str, value: str, *, required: bool = False) -> str:
        """Check a UUID; answer its usual text, empty if it is none."""
        if not value and not required:
            return ""
        try:
            text = str(UUID(value)) if len(value) == _UUID_CHARS else ""
        except ValueError:
            text = ""
        if text != value.lower() or not text:
            self.add(field, "must be a UUID such as 6f1c2b9a-3e0d-4a51-9c77-1d2e3f405162")
        return text

    def page_size(self, field: str, value: int, most: int) -> None:
        """Check how many entries a page is to have."""
        if not 1 <= value <= most:
            self.add(field, f"from 1 to {most:,}, not {value:,}")

    def all(self) -> tuple[Violation, ...]:
        """Every broken rule so far."""
        return tuple(self._found)

    def raise_if_any(self) -> None:
        """Raise `InvalidRequest` if a rule was broken."""
        if self._found:
            raise InvalidRequest(self._found[:VIOLATIONS_MAX])
