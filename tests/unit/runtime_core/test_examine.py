"""Checks run side by side, each within its time, and none without what it builds on."""

import asyncio

import pytest

from cognitive_runtime.application.examine import Check, examine
from cognitive_runtime.domain.diagnosis import Finding, Verdict, fine, not_checked, wrong


def check(name: str, finding: Finding | None = None, needs: tuple[str, ...] = (), wait_s: float = 0.0, **more) -> Check:
    async def run() -> Finding:
        await asyncio.sleep(wait_s)
        return finding or fine("well")

    return Check(name, "group", run, needs, **more)


async def verdicts(*checks: Check) -> dict[str, Verdict]:
    return {each.name: each.finding.verdict for each in await examine(checks)}


async def test_what_builds_on_a_failure_is_skipped_and_says_why():
    found = await examine(
        [check("a", wrong("broken", "mend it")), check("b", needs=("a",)), check("c", needs=("b",)), check("d")]
    )
    assert [each.finding.verdict for each in found] == ["failed", "skipped", "skipped", "ok"]
    assert found[1].finding.message == "needs a, which failed"
    assert found[2].finding.message == "needs b, which was skipped"


async def test_what_could_not_be_known_stops_nothing():
    assert await verdicts(check("a", not_checked("no list")), check("b", needs=("a",))) == {"a": "skipped", "b": "ok"}


async def test_a_need_that_is_not_asked_for_does_not_count():
    assert await verdicts(check("b", needs=("a",))) == {"b": "ok"}


async def test_checks_run_side_by_side_and_keep_their_order():
    async with asyncio.timeout(5):
        found = await examine([check(str(number), wait_s=0.5) for number in range(20)])
    assert [each.name for each in found] == [str(number) for number in range(20)]


async def test_a_check_that_hangs_ends_at_its_own_deadline_and_delays_no_other():
    found = await examine([check("slow", wait_s=60, deadline_s=0.1), check("quick")])
    assert found[0].finding.verdict == "failed"
    assert "within 0.1 s" in found[0].finding.message
    assert found[1].finding.verdict == "ok"


async def test_a_deadline_begins_when_what_is_needed_is_known():
    assert await verdicts(check("a", wait_s=0.3), check("b", needs=("a",), wait_s=0.1, deadline_s=0.25)) == {
        "a": "ok",
        "b": "ok",
    }


@pytest.mark.parametrize("error", [RuntimeError("sk-secret"), KeyError("sk-secret")])
async def test_a_check_that_crashes_is_a_failure_without_its_words(error):
    async def crash() -> Finding:
        raise error

    (found,) = await examine([Check("a", "group", crash)])
    assert found.finding.verdict == "failed"
    assert type(error).__name__ in found.finding.message
    assert "sk-secret" not in found.finding.message
