"""The thin client by itself: the wheel in an environment without extras runs the README's program."""

from __future__ import annotations

import re
import subprocess
import venv
from pathlib import Path

import pytest

from syncline.server.records import record_write
from syncline.server.schema_file import load_schema_file
from syncline.storage import open_store
from tests.harness.server import NOTES, declare_notes, start_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def thin_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the wheel and what it requires, in the versions of the lock file."""
    folder = tmp_path_factory.mktemp("thin")
    constraints = folder / "constraints.txt"
    pins = re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / "requirements/dev.txt").read_text(), flags=re.MULTILINE)
    constraints.write_text("\n".join(pins))
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(constraints), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return python


def test_it_installs_little(thin_python: Path) -> None:
    listed = subprocess.run(
        [str(thin_python), "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    )
    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed.stdout.split()}
    assert names - {"pip", "setuptools"} == {
        "googleapis-common-protos",
        "grpcio",
        "grpcio-status",
        "opentelemetry-api",
        "protobuf",
        "syncline",
        "typing-extensions",
    }


def test_the_device_file_of_the_readme_needs_no_more(thin_python: Path, sqlite_url: str, tmp_path: Path) -> None:
    store = open_store(sqlite_url)
    declare_notes(store)
    store.write_records("dev", [record_write(NOTES, {"id": "n1", "text": "x"}, modified_at=1)])
    store.close()
    with start_server(sqlite_url) as server:
        sql = "SELECT id, text FROM note"
        command = [str(thin_python), str(ROOT / "examples/device_file.py"), server.address, sql]
        output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert output.splitlines() == ["1 items came, the copy stands at revision 1", "n1 x"]


def test_the_offline_program_of_the_readme_needs_no_more(thin_python: Path, sqlite_url: str, tmp_path: Path) -> None:
    schema = load_schema_file(ROOT / "examples/nycflights13.schema.yaml")
    airlines = schema.object_type("airlines")
    assert airlines is not None
    store = open_store(sqlite_url)
    store.create_account("dev")
    store.write_schema("dev", schema, expected_version=0)
    rows = {"UA": "United Air Lines Inc.", "HA": "Hawaiian Airlines Inc."}
    writes = [record_write(airlines, {"carrier": key, "name": name}, modified_at=1) for key, name in rows.items()]
    store.write_records("dev", writes)
    with start_server(sqlite_url) as server:
        command = [str(thin_python), str(ROOT / "examples/edit_offline.py"), server.address]
        output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert output.splitlines() == [
        "insert ZZ {'carrier': 'ZZ', 'name': 'Zigzag Air'}",
        "update UA {'carrier': 'UA', 'name': 'United'}",
        "2 changes went up, 0 were refused",
    ]
    assert {record.key for record in store.scan_records("dev", "airlines", after_key=None, limit=9)} == {
        "HA",
        "UA",
        "ZZ",
    }
    store.close()


def test_the_program_of_the_readme_reads_the_queue_and_acknowledges(
    thin_python: Path, sqlite_url: str, tmp_path: Path
) -> None:
    store = open_store(sqlite_url)
    declare_notes(store)
    store.write_records("dev", [record_write(NOTES, {"id": f"n{n}", "text": "x"}, modified_at=n) for n in range(1, 4)])
    store.close()
    with start_server(sqlite_url) as server:
        command = [str(thin_python), str(ROOT / "examples/read_queue.py"), server.address]
        first = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
        assert first.splitlines()[-1] == "3 items acknowledged, at revision 3"
        assert "CREATED note n2 {'id': 'n2', 'text': 'x'}" in first
        second = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
        assert second.splitlines() == ["0 items acknowledged, at revision 3"]
