"""Checking the fields of a request; an answer names all broken rules at once."""

from __future__ import annotations

from typing import Any, Protocol

from syncline.server.errors import InvalidRequest, Violation
from syncline.server.limits import VIOLATIONS_MAX
from syncline.server.uuid_text import UUID_RULE, uuid_of


class Paged(Protocol):
    """A request for a page."""

    page_size: int

    def HasField(self, field_name: Any) -> bool:  # noqa: N802  protobuf's name
        """Is the field there?"""


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
        found = uuid_of(value)
        if found is None:
            self.add(field, UUID_RULE)
            return ""
        return str(found)

    def page_size(self, request: Paged, default: int, most: int) -> int:
        """Check how many entries a page is to have; answer it."""
        size = request.page_size if request.HasField("page_size") else default
        self.range("page_size", size, 1, most)
        return size

    def range(self, field: str, value: int, least: int, most: int) -> bool:
        """Check a number; is it one of these?"""
        fits = least <= value <= most
        if not fits:
            self.add(field, f"from {least:,} to {most:,}, not {value:,}")
        return fits

    def all(self) -> tuple[Violation, ...]:
        """Every broken rule so far."""
        return tuple(self._found)

    def raise_if_any(self) -> None:
        """Raise `InvalidRequest` if a rule was broken."""
        if self._found:
            raise InvalidRequest(self._found[:VIOLATIONS_MAX])
