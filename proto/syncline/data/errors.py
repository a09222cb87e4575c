"""The one error of this package."""

from __future__ import annotations


class DataError(ValueError):
    """A value breaks a rule of the data.

    Attributes:
        path: Where, such as `address.lines[2]` in a record or `flights.fields.tailnum` in a schema; empty if the
            value as a whole is meant.
        rule: What is wrong, in words.
    """

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(f"{path}: {rule}" if path else rule)
        self.path = path
        self.rule = rule
