"""`docs/why.md` has a row for each step of the contract."""

from __future__ import annotations

import re
from pathlib import Path

from syncline.client import DeliveryStep

PAGE = Path(__file__).parents[2] / "docs/why.md"


def test_each_step_has_its_row() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(rows) == sorted(step.name for step in DeliveryStep if step is not DeliveryStep.UNKNOWN)
