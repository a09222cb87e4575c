"""How often Python looks for cycles of objects in a process that serves or works."""

from __future__ import annotations

import gc
from typing import Final

_COLLECT_AFTER: Final = 50_000
"""Objects made before Python looks for cycles. A message or a batch makes tens of thousands, and hardly a cycle."""


def collect_seldom() -> None:
    """Look seldom, and never again at what there is already: it lives as long as the process."""
    gc.set_threshold(_COLLECT_AFTER)
    gc.freeze()
