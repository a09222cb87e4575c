"""`syncline-server import` and `syncline-server schema`, on an SQLite file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from syncline.server.commands.app import app
from syncline.storage import open_store

Run = Callable[..., Result]

SCHEMA = """\
scopes:
  main:
    planes:
      key: [tailnum]
      fields: {tailnum: string, seats: integer}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--database", "sqlite:///t.db", "--account", "acme"])

    return run


def _counts() -> dict[str, int]:
    store = open_store("sqlite:///t.db")
    try:
        return store.count_records("acme")
    finally:
        store.close()


def test_a_schema_is_applied_shown_and_compared(run: Run) -> None:
    Path("s.yaml").write_text(SCHEMA)
    assert "takes planes: a new object type" in run("schema", "diff", "s.yaml").output
    applied = run("schema", "apply", "s.yaml")
    assert applied.exit_code == 0
    assert "schema version 1 is in force: 1 object types in 1 scopes" in applied.output
    assert "version 1 is in force" in run("schema", "apply", "s.yaml").output
    assert "no difference" in run("schema", "diff", "s.yaml").output
    Path("shown.yaml").write_text(run("schema", "show").output)
    assert "no difference" in run("schema", "diff", "shown.yaml").output


def test_a_schema_that_takes_something_away_is_refused(run: Run) -> None:
    Path("s.yaml").write_text(SCHEMA)
    run("schema", "apply", "s.yaml")
    Path("s.yaml").write_text(SCHEMA.replace(", seats: integer", ""))
    difference = run("schema", "diff", "s.yaml")
    assert difference.exit_code == 1
    assert "refuses planes.fields.seats: the field is removed" in difference.output
    applied = run("schema", "apply", "s.yaml")
    assert applied.exit_code == 1
    assert "planes.fields.seats" in applied.stderr


def test_a_bad_schema_file_is_told_with_its_line(run: Run) -> None:
    Path("s.yaml").write_text(SCHEMA.replace("integer", "int"))
    applied = run("schema", "apply", "s.yaml")
    assert applied.exit_code == 1
    assert applied.stderr.startswith("error: s.yaml:5: planes.fields.seats.type: must be one of string")


def test_files_are_imported_and_counted(run: Run) -> None:
    Path("s.yaml").write_text(SCHEMA)
    run("schema", "apply", "s.yaml")
    Path("a.csv").write_text("tailnum,seats\nN1,1\nN2,NA\n")
    with zipfile.ZipFile("b.zip", "w") as archive:
        archive.writestr("b.jsonl", '{"tailnum":"N2"}\n{"tailnum":"N3","seats":3}\n')
    result = run("import", "a.csv", "b.zip", "--type", "planes", "--null", "NA")
    assert result.exit_code == 0, result.output
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.output.splitlines() if "│" in line]
    assert cells == [["a.csv", "2", "2", "0", "0", "0"], ["b.jsonl", "2", "1", "0", "1", "0"]]
    assert _counts() == {"planes": 3}


def test_an_unknown_object_type_is_inferred_and_said_so(run: Run) -> None:
    Path("a.csv").write_text("tailnum,seats,built\nN1,1,2013-01-31\n")
    result = run("import", "a.csv", "--type", "planes", "--key", "tailnum", "--scope", "fleet")
    assert result.exit_code == 0, result.output
    assert "inferred" in result.output
    assert "seats: integer" in result.output
    assert "built: date" in run("schema", "show").output
    assert _counts() == {"planes": 1}


def test_bad_lines_are_told_with_their_numbers(run: Run) -> None:
    Path("s.yaml").write_text(SCHEMA)
    run("schema", "apply", "s.yaml")
    Path("bad.csv").write_text("tailnum,seats\nN1,1\nN2,x\nN3\n")
    Path("good.csv").write_text("tailnum,seats\nN9,9\n")
    refused = run("import", "bad.csv", "good.csv", "--type", "planes")
    assert refused.exit_code == 1
    assert "bad.csv:3: seats: must be an integer within signed 64 bits, not 'x'" in refused.stderr
    assert "bad.csv:4: has 1 cells" in refused.stderr
    assert "nothing of this file was imported" in refused.stderr
    assert _counts() == {"planes": 1}
    skipped = run("import", "bad.csv", "--type", "planes", "--skip-bad")
    assert skipped.exit_code == 1
    assert _counts() == {"planes": 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.csv", "--type", "planes"], "nothing.csv: No such file"),
        (["a.txt", "--type", "planes"], "a.txt: the name of a file to import ends in"),
        (["a.csv", "--type", "planes", "--key", "seats"], "planes.key: is tailnum, not seats"),
        (["a.csv", "--type", "trains"], "trains: the schema has no such object type"),
        (["a.csv", "--type", "trains", "--key", "id"], "a.csv:1: the key column 'id' is missing"),
        (["a.csv", "--type", "sqlite_x", "--key", "tailnum"], "reserved"),
        (["c.csv", "--type", "planes"], "c.csv:1: the object type 'planes' has no field 'colour'"),
        (["d.csv", "--type", "planes"], "d.csv:1: the key column 'tailnum' is missing"),
    ],
)
def test_what_cannot_be_imported_is_refused(run: Run, arguments: list[str], message: str) -> None:
    Path("s.yaml").write_text(SCHEMA)
    run("schema", "apply", "s.yaml")
    Path("a.csv").write_text("tailnum,seats\nN1,1\n")
    Path("a.txt").write_text("tailnum,seats\nN1,1\n")
    Path("c.csv").write_text("tailnum,colour\nN1,red\n")
    Path("d.csv").write_text("seats\n1\n")
    result = run("import", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert _counts() == {"planes": 0}
