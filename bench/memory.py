"""How much memory a process uses, as Linux tells."""

from __future__ import annotations

from pathlib import Path


def resident_kib(pid: int) -> int:
    """What it has in memory now."""
    return _status(pid, "VmRSS")


def peak_resident_kib(pid: int) -> int:
    """The most it ever had in memory."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        field, _, value = line.partition(":")
        if field == name:
            return int(value.split()[0])
    raise ValueError(f"/proc/{pid}/status has no {name}")
