"""README and the benchmark's page say what the newest results say."""

import json
import re
from pathlib import Path

from support.markdown import cells

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations" / "benchmark.md"
RESULTS = ROOT / "docs" / "bench"


def test_each_missed_budget_has_its_value_and_a_reason() -> None:
    lines = (RESULTS / "results.md").read_text(encoding="utf-8").splitlines()
    missed = [
        (name, measured) for name, measured, *_ in map(cells, (line for line in lines if line.endswith("| NO |")))
    ]
    section = (
        PAGE.read_text(encoding="utf-8").partition("## Budgets that the newest results miss")[2].partition("\n## ")[0]
    )
    rows = [cells(line) for line in section.splitlines() if line.startswith("|")][2:]
    assert [(name, measured) for name, measured, _ in rows] == missed
    assert all(reason for *_, reason in rows)


def test_the_latency_in_the_readme_is_the_measured_one() -> None:
    measurements = json.loads((RESULTS / "results.json").read_text(encoding="utf-8"))["measurements"]
    latency_ms = {each["experiment"]: each["median"] for each in measurements if each["name"] == "latency"}
    ours, theirs = (latency_ms[f"cluster: {name}, one at a time"] for name in ("Embedded", "RayJob HTTPMode"))
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    claim = r"takes (\S+) ms, where a RayJob of KubeRay that does nothing takes (\S+) s in HTTPMode .*?, (\d+) times"
    found = re.search(claim, readme)
    assert found is not None
    assert found.groups() == (f"{ours:.0f}", f"{theirs / 1000:.1f}", f"{theirs / ours:.0f}")
