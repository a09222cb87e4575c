"""What a user installs: the wheel's contents, the thin client by itself, floors of requirements, lock files."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def source_files() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*/syncline/*"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = {line.partition("/")[2] for line in listed.stdout.splitlines() if (ROOT / line).exists()}
    return {file for file in files if file.startswith("syncline/")}


def test_the_wheel_holds_the_four_roots_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == source_files()


def test_no_package_hides_the_other_roots() -> None:
    assert not [str(path) for path in ROOT.glob("*/syncline/__init__.py")]


def test_every_portion_is_typed() -> None:
    portions = [path for path in ROOT.glob("*/syncline/*") if path.is_dir() and path.name != "__pycache__"]
    assert portions
    assert [path.name for path in portions if not (path / "py.typed").exists()] == []


def test_the_floors_admit_no_older_runtime_than_the_generated_code() -> None:
    floors = {
        match[1]: match[2]
        for line in PYPROJECT["project"]["dependencies"]
        if (match := re.match(r"([a-z-]+)>=([\d.]+)", line))
    }
    services = [path.read_text() for path in (ROOT / "proto").rglob("*_pb2_grpc.py")]
    messages = [path.read_text() for path in (ROOT / "proto").rglob("*_pb2.py")]
    assert services
    assert messages
    grpc_versions = {re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", code)[1] for code in services}  # type: ignore[index]
    protobuf_versions = {re.search(r"Protobuf Python Version: ([\d.]+)", code)[1] for code in messages}  # type: ignore[index]
    assert grpc_versions == {floors["grpcio"]}
    assert protobuf_versions == {floors["protobuf"]}


@pytest.mark.parametrize("lock", ["requirements/dev.txt", "requirements/codegen.txt"])
def test_lock_files_pin_by_hash_and_name_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert pins
    assert all(re.match(r"[a-z0-9][a-z0-9._-]*==\S+", pin) for pin in pins)
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text
    assert "--index" not in text
