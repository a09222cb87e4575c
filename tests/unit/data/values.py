"""Strategies for record data."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False) | INTEGERS.map(float)
SCALARS = st.none() | st.booleans() | INTEGERS | DOUBLES | TEXTS
FLAT_RECORDS = st.dictionaries(TEXTS, SCALARS, max_size=12)


def records() -> st.SearchStrategy[dict[str, Any]]:
    """Records, flat ones and nested ones."""
    values = st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=12,
    )
    return FLAT_RECORDS | st.dictionaries(TEXTS, values, max_size=6)
