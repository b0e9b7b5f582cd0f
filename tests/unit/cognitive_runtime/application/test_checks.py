"""Checks run side by side, each within its time, and none without what it builds on."""

import asyncio
from typing import Any

import pytest

from cognitive_runtime.application.checks import Check, run_checks
from cognitive_runtime.domain.finding import CheckStatus, Finding, failed, passed, skipped


def check(
    name: str, finding: Finding | None = None, depends_on: tuple[str, ...] = (), wait_s: float = 0.0, **more: Any
) -> Check:
    async def run() -> Finding:
        await asyncio.sleep(wait_s)
        return finding or passed("well")

    return Check(name, "group", run, depends_on, **more)


async def verdicts(*checks: Check) -> dict[str, CheckStatus]:
    return {each.name: each.finding.status for each in await run_checks(checks)}


async def test_what_builds_on_a_failure_is_skipped_and_says_why() -> None:
    found = await run_checks(
        [
            check("a", failed("broken", "mend it")),
            check("b", depends_on=("a",)),
            check("c", depends_on=("b",)),
            check("d"),
        ]
    )
    assert [each.finding.status for each in found] == ["failed", "skipped", "skipped", "ok"]
    assert found[1].finding.message == "needs a, which failed"
    assert found[2].finding.message == "needs b, which was skipped"


async def test_what_could_not_be_known_stops_nothing() -> None:
    assert await verdicts(check("a", skipped("no list")), check("b", depends_on=("a",))) == {"a": "skipped", "b": "ok"}


async def test_a_need_that_is_not_asked_for_does_not_count() -> None:
    assert await verdicts(check("b", depends_on=("a",))) == {"b": "ok"}


async def test_checks_run_side_by_side_and_keep_their_order() -> None:
    async with asyncio.timeout(5):
        found = await run_checks([check(str(number), wait_s=0.5) for number in range(20)])
    assert [each.name for each in found] == [str(number) for number in range(20)]


async def test_a_check_that_hangs_ends_at_its_own_deadline_and_delays_no_other() -> None:
    found = await run_checks([check("slow", wait_s=60, deadline_s=0.1), check("quick")])
    assert found[0].finding.status == "failed"
    assert "within 0.1 s" in found[0].finding.message
    assert found[1].finding.status == "ok"


async def test_a_deadline_begins_when_what_is_needed_is_known() -> None:
    assert await verdicts(check("a", wait_s=0.3), check("b", depends_on=("a",), wait_s=0.1, deadline_s=0.25)) == {
        "a": "ok",
        "b": "ok",
    }


@pytest.mark.parametrize("error", [RuntimeError("sk-secret"), KeyError("sk-secret")])
async def test_a_check_that_crashes_is_a_failure_without_its_words(error: Exception) -> None:
    async def crash() -> Finding:
        raise error

    (found,) = await run_checks([Check("a", "group", crash)])
    assert found.finding.status == "failed"
    assert type(error).__name__ in found.finding.message
    assert "sk-secret" not in found.finding.message
