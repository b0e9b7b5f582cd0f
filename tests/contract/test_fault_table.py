"""The table of faults names every row and every test of the fault suite, and each test or file that it names exists."""

import ast
import re
from pathlib import Path

import pytest

from support.markdown import cells

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "operations" / "faults.md"
ROWS = list(range(1, 38))


def rows() -> dict[int, list[str]]:
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d+ \|", line)]
    return {int(row[0]): row[1:] for row in map(cells, lines)}


def names_in_the_suite() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "tests" / "faults").glob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {
            node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        }
    return found


def test_every_row_is_there_and_proved() -> None:
    assert list(rows()) == ROWS
    for number, (_, proof, _) in rows().items():
        assert re.search(r"`test_\w+(?:\.py)?`", proof), f"row {number}: proved by nothing"


def test_all_that_the_table_names_exists() -> None:
    paths = list((ROOT / "tests").rglob("test_*.py"))
    known = {path.name for path in paths} | {name for path in paths for name in defined_in(path)}
    for number, (_, proof, _) in rows().items():
        for name in re.findall(r"`(test_\w+(?:\.py)?)`", proof):
            assert name in known, f"row {number}: {name}"


def test_every_test_of_a_row_is_named_in_it() -> None:
    for name in names_in_the_suite():
        if match := re.match(r"test_row_(\d+)_", name):
            assert f"`{name}`" in rows()[int(match.group(1))][1], name


@pytest.mark.parametrize("name", ["test_random_faults", "test_endurance"])
def test_what_belongs_to_no_row_is_named_below_the_table(name: str) -> None:
    assert name in names_in_the_suite()
    assert f"`{name}`" in TABLE.read_text(encoding="utf-8")


def defined_in(path: Path) -> list[str]:
    return re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.M)
