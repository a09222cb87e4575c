"""`make demo`: all of the real data, compared value by value."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_the_demo_ends_with_an_exact_copy() -> None:
    command = [sys.executable, "-m", "examples.demo"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "compared with the source files: 6,832,063 values, no difference" in ended.stdout
    assert "8 items in 1 page: 5 changed, 3 deleted" in ended.stdout
    assert "compared with the source files: 6,832,006 values, no difference" in ended.stdout
    assert "third sync: nothing new, 0 pages" in ended.stdout
