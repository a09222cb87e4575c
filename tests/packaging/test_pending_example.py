"""`examples/pending_instances.py`: totals, every instance with its record, then the counts alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

COUNTS = """\
total: 10
scope1: 6
  tab1: 4
  tab2: 2
scope2: 4
  tab1: 2
  tab2: 2
"""

INSTANCES = """\
total: 10
scope1: 6
  tab1: 4
    insert c {'id': 'c', 'name': 'Cleo', 'size': 1}
    update c {'id': 'c', 'name': 'Cleo', 'size': 2}
    update a {'id': 'a', 'name': 'Annabel'}
    delete b {'id': 'b', 'name': 'Ben'}
  tab2: 2
    update a {'id': 'a', 'name': 'Anna', 'size': 10}
    update a {'id': 'a', 'name': 'Anna', 'size': 11}
scope2: 4
  tab1: 2
    insert d {'id': 'd', 'name': 'Dora'}
    update b {'id': 'b', 'name': 'Benjamin'}
  tab2: 2
    delete a {'id': 'a', 'name': 'Anna'}
    update b {'id': 'b'}
"""


def test_the_example_shows_every_instance_and_the_counts_alone() -> None:
    command = [sys.executable, "-m", "examples.pending_instances"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith(f"\n{INSTANCES}\ncounts only\n{COUNTS}")
