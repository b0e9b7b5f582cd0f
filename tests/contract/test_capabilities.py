"""The table of capabilities is complete, and every test that it names exists."""

import re
from pathlib import Path

from support.markdown import cells

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "capabilities.md"


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    return [cells(line) for line in lines]


def test_all_forty_nine_are_there_in_order() -> None:
    assert [int(row[0]) for row in rows()] == list(range(1, 50))


def test_each_is_proved_by_a_test_that_exists_or_says_what_is_missing() -> None:
    for number, _, where, proof, missing in rows():
        paths = re.findall(r"\]\(\.\./(tests/[^)]+)\)", proof)
        assert all((ROOT / path).is_file() for path in paths), f"{number}: {paths}"
        assert bool(paths) == bool(where), f"{number}: what lives somewhere is proved, and the other way round"
        assert paths or missing, f"{number}: neither proved nor missing"
