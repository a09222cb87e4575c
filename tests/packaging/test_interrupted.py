"""Ctrl-C while the modules of a command are still loading, which takes a second."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import importlib, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == sys.argv[2]:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
importlib.import_module(sys.argv[1]).main()
"""


@pytest.mark.parametrize(
    ("program", "loading"),
    [("syncline.cli.__main__", "typer"), ("syncline.server.__main__", "typer"), ("syncline.server.__main__", "grpc")],
)
def test_a_command_that_is_interrupted_while_loading_ends_quietly(program: str, loading: str) -> None:
    command = [sys.executable, "-c", PROGRAM, program, loading]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
