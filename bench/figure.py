"""What a benchmark found, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.table import Table

DetailValue = float | str | list[float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside the limit it is held against."""

    name: str
    store: str
    """`sqlite` or `postgresql`."""
    value: float
    unit: str
    limit: float
    """In the same unit: what the parts underneath can do, or a bound that was set."""
    detail: Mapping[str, DetailValue] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Value by limit. More is better for rates, less is better for times and memory."""
        return self.value / self.limit


def write_results(figures: Iterable[Figure], path: Path) -> None:
    """Write the figures as a JSON list of `{name, store, value, unit, limit, ratio, detail}`."""
    results = [asdict(figure) | {"ratio": figure.ratio} for figure in figures]
    path.write_text(json.dumps(results, indent=2) + "\n")


def table_of(title: str, figures: Iterable[Figure]) -> Table:
    """The figures of one benchmark for people."""
    table = Table(title=title, title_justify="left")
    for column in ("figure", "store"):
        table.add_column(column)
    for column in ("value", "limit", "unit", "ratio"):
        table.add_column(column, justify="right")
    for figure in figures:
        numbers = (_number(figure.value), _number(figure.limit), figure.unit, f"{figure.ratio:.2f}")
        table.add_row(figure.name, figure.store, *numbers)
    return table


def details_of(figures: Iterable[Figure]) -> str:
    """What else is known about the figures, a line for each."""
    return "\n".join(
        f"{figure.name} on {figure.store}: "
        + "; ".join(f"{name} {_detail(value)}" for name, value in figure.detail.items())
        for figure in figures
    )


def _detail(value: DetailValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float | int):
        return _number(value)
    return " ".join(map(_number, value))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"
