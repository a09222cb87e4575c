"""How a double is written: as ECMAScript does, except that it always reads back as the same double."""

from __future__ import annotations

import math
from typing import Final

from syncline.data.errors import DataError

EXACT_BELOW: Final = 2.0**53
"""Whole doubles below this are written like integers: there, the two are the same number."""


def double_text(value: float, path: str = "") -> str:
    """The shortest text that reads back as this double, laid out by the rules of RFC 8785, section 3.2.2.3.

    The exception: a whole double of 2^53 or more is written with an exponent (`9.007199254740992e+15`), because as
    plain digits it would read back as an integer, or be refused as one beyond 64 bits.

    Raises:
        DataError: it is not finite.
    """
    if not math.isfinite(value):
        raise DataError(path, "must be a finite number")
    if value.is_integer() and -EXACT_BELOW < value < EXACT_BELOW:
        return str(int(value))
    sign = "-" if value < 0 else ""
    digits, point = _digits(abs(value))
    if point > len(digits) or value.is_integer() or point <= -6:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[:point]}.{digits[point:]}"


def _digits(value: float) -> tuple[str, int]:
    """The significant digits, and where the decimal point stands counted from the first of them."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    return digits.rstrip("0"), point
