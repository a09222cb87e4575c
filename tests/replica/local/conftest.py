"""Devices to write to without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replica.local.device import Device


@pytest.fixture
def device(path: Path) -> Iterator[Device]:
    """Two airlines, a flight of one of them and a seat in it, a draft, a law and a memo."""
    device = Device(path)
    device.receive(
        ("airline", "UA", {"carrier": "UA", "name": "United", "size": 9}),
        ("airline", "AA", {"carrier": "AA", "name": "American"}),
        ("flight", '["UA",1]', {"carrier": "UA", "number": 1, "day": "2013-01-01"}),
        ("seat", "s1", {"carrier": "UA", "number": 1, "row": 7}),
        ("draft", "d1", {"a": "one", "b": "two"}),
        ("law", "l1", {"text": "fly safely", "carrier": "AA"}),
        ("memo", "m1", {"text": "call back"}),
    )
    yield device
    device.close()
