"""`docs/metrics.md` has a row for each metric of the table in the code, which says of it what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from syncline.data.metrics import ALL, Metric

PAGE = Path(__file__).parents[2] / "docs/metrics.md"
_UNITS = {"s": "seconds", "By": "bytes", "1": ""}


def _row(metric: Metric) -> str:
    """A row without its last cell, which says what to do."""
    unit = _UNITS.get(metric.unit, metric.unit.strip("{}"))
    labels = ", ".join(f"`{label}`" for label in metric.prometheus_labels)
    return f"| `{metric.prometheus_name}` | {unit}, {metric.kind} | {labels} | {metric.says} | "


def test_each_metric_has_its_row_that_says_what_the_code_says_and_what_to_do() -> None:
    rows = re.findall(r"^\| `.*\|$", PAGE.read_text(), flags=re.MULTILINE)
    beginnings = [f"{row[: row.rindex('|', 0, -1)]}| " for row in rows]
    assert sorted(beginnings) == sorted(map(_row, ALL))
    assert all(row.removesuffix("|").rpartition("|")[2].strip() for row in rows), "one does not say what to do"
