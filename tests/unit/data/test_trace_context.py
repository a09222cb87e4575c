"""The W3C trace context as text."""

from __future__ import annotations

import pytest

from syncline.data.trace_context import decode, encode

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_context_is_the_text_that_w3c_says() -> None:
    text = encode(int(TRACE, 16), int(SPAN, 16))
    assert text == f"00-{TRACE}-{SPAN}-01"
    assert decode(text) == (int(TRACE, 16), int(SPAN, 16))
    assert len(encode(1, 1)) == 55


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"01-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_what_is_none_is_told_so(text: str) -> None:
    assert decode(text) is None
