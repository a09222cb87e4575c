"""The README says what is true: its programs are the examples, its tables are the code's, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syncline.server.commands.config import settings_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
# Not those that tools leave in folders of their own: which there are changes from run to run.
PAGES = (*ROOT.glob("*.md"), *ROOT.glob("[!.]*/*.md"))


EXAMPLES = ["examples/read_queue.py", "examples/device_file.py", "examples/edit_offline.py", "examples/load_data.py"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_programs_in_the_readme_are_the_examples(example: str) -> None:
    assert f"<!-- file {example} -->\n```python\n{(ROOT / example).read_text()}```\n" in README


def test_the_configuration_table_is_the_code_s() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    assert f"<!-- table of syncline-server config -->\n{settings_table()}\n" in page


def test_each_guarantee_names_tests_that_exist() -> None:
    section = README.partition("## Guarantees")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \*\*(G\d+)\*\* .*\| (.+) \|$", section, flags=re.MULTILINE)
    assert [name for name, _ in rows] == ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10", "G11", "G12"]
    for name, cell in rows:
        tests = re.findall(r"`(\w+)` in \[[^]]+\]\(([^)]+)\)", cell)
        assert tests, f"{name} has no test"
        for test, path in tests:
            assert f"def {test}(" in (ROOT / path).read_text(), f"{path} has no {test}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
