"""Which of several operators works."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cognitive_operator.plan.leader import Candidate, is_leader

NOW = datetime(2026, 11, 21, 2, 0, 0, tzinfo=UTC)
ME = Candidate("me", 5)


def record(priority: int, age_s: int = 3, lifetime: int = 20) -> dict[str, Any]:
    seen = NOW.timestamp() - age_s
    return {"priority": priority, "lifetime": lifetime, "lastseen": datetime.fromtimestamp(seen, UTC).isoformat()}


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({}, True),
        ({"lower": record(4)}, True),
        ({"higher": record(6)}, False),
        ({"dead": record(6, age_s=21)}, True),
        ({"equal": record(5)}, False),
        ({"gone": record(6, lifetime=0)}, True),
        ({"odd": {"priority": 9}, "odder": "text", "oddest": {"priority": 9, "lastseen": "yesterday"}}, True),
    ],
)
def test_the_living_one_of_the_highest_priority_works(others: dict[str, Any], expected: bool) -> None:
    assert is_leader(ME, {"me": record(5), **others}, NOW) is expected


def test_nobody_works_before_its_peers_can_know_of_it() -> None:
    assert not is_leader(ME, {"lower": record(4)}, NOW)
