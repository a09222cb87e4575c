"""README's section "Expose it" works as written, with a real server, from an empty folder."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
HOST = "127.0.0.2"


def commands(part: str, port: int) -> str:
    """The commands of one part of the section, with a port that is free in place of 7400."""
    (block,) = re.findall(rf"<!-- expose: {part} -->\n```console\n(.*?)```\n", README.read_text(), flags=re.DOTALL)
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    return "set -e\n" + "\n".join(lines).replace("7400", str(port))


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        number: int = free.getsockname()[1]
        return number


@pytest.fixture
def env() -> dict[str, str]:
    """The commands on the path, and nothing of ours in the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYNCLINE_")}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def served(tmp_path: Path, port: int, env: dict[str, str]) -> Iterator[None]:
    """All that happens in the first terminal."""
    # The shell becomes the server, so that ending the one ends the other.
    serve = commands("serve", port).replace("syncline-server serve", "exec syncline-server serve")
    script = f"{commands('prepare', port)}\n{serve}"
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(["bash", "-c", script], cwd=tmp_path, env=env, stdout=output, stderr=output)
    try:
        while not _answers(port):
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex((HOST, port)) == 0


def shell(script: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", script], cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("served")
def test_the_section_works_as_written(tmp_path: Path, port: int, env: dict[str, str]) -> None:
    ended = shell(commands("client", port), tmp_path, env)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = re.findall(r"(BER|OSL)\W+(\w+)", ended.stdout.splitlines()[-3] + ended.stdout.splitlines()[-2])
    assert rows == [("BER", "Berlin"), ("OSL", "Gardermoen")]

    # And not without what the section gives the client.
    connect = f"cd till; export SYNCLINE_SERVER={HOST}:{port}; syncline sync other.db"
    for options, complaint in (("--ca-file ca.pem", "--token-file"), ("--token-file till.token", "--ca-file")):
        refused = shell(f"{connect} {options}", tmp_path, env)
        assert refused.returncode == 1
        assert complaint in refused.stderr.splitlines()[-1]
    token = (tmp_path / "till.token").read_text().strip()
    assert token.startswith("sl_")
    assert token not in (tmp_path / "server.log").read_text() + ended.stdout + ended.stderr
