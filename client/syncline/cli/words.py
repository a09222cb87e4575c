"""The words of commands that take more than a file: FILE comes first, unless the environment names it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import typer


def split_words(
    words: Sequence[str] | None, what: str, *, least: int = 0, most: int | None = None
) -> tuple[Path, list[str]]:
    """The device file, and the other words.

    With SYNCLINE_FILE set, FILE may be left out: the first word is taken for it if there is a file of that name.

    Args:
        words: all of them.
        what: how usage writes them, such as `FILE TYPE KEY`.
        least: how many words there must be besides FILE.
        most: how many there may be; None: any number.

    Raises:
        typer.BadParameter: there are too few or too many.
    """
    given = list(words or ())
    default = os.environ.get("SYNCLINE_FILE", "")
    if default and not (given and Path(given[0]).is_file()):
        given.insert(0, default)
    count = len(given) - 1
    if count < least or (most is not None and count > most):
        problem = "too few" if count < least else "too many"
        raise typer.BadParameter(f"{problem} words; FILE may be left out if SYNCLINE_FILE is set", param_hint=what)
    return Path(given[0]), given[1:]
