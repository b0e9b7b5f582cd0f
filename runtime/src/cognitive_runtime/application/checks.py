"""Use case of the doctor: run checks concurrently, each within its deadline and after its dependencies."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cognitive_runtime.domain.finding import CheckStatus, Finding, failed, skipped

_LATE_HINT: Final = "a firewall, a proxy or an overloaded server accepts connections and does not answer"


@dataclass(frozen=True)
class Check:
    """One check."""

    name: str
    group: str
    run: Callable[[], Awaitable[Finding]]
    depends_on: tuple[str, ...] = ()
    """Names of the checks that must not block this one. A name that is not among the checks is ignored."""
    deadline_s: float = 5.0


@dataclass(frozen=True)
class CheckResult:
    """Finding of a check, with its duration."""

    name: str
    group: str
    finding: Finding
    seconds: float


async def run_checks(checks: Sequence[Check]) -> tuple[CheckResult, ...]:
    """Run all checks and return their results in the given order. A check must come after its dependencies."""
    running: dict[str, asyncio.Task[CheckResult]] = {}
    for check in checks:
        needed = [running[name] for name in check.depends_on if name in running]
        running[check.name] = asyncio.create_task(_after(needed, check))
    return tuple(await asyncio.gather(*running.values()))


async def _after(needed: Sequence[asyncio.Task[CheckResult]], check: Check) -> CheckResult:
    for found in await asyncio.gather(*needed):
        if found.finding.blocks:
            outcome = "failed" if found.finding.status is CheckStatus.FAILED else "was skipped"
            reason = skipped(f"needs {found.name}, which {outcome}", blocks=True)
            return CheckResult(check.name, check.group, reason, 0.0)
    begun_s = time.monotonic()
    finding = await _within_deadline(check)
    return CheckResult(check.name, check.group, finding, round(time.monotonic() - begun_s, 3))


async def _within_deadline(check: Check) -> Finding:
    try:
        async with asyncio.timeout(check.deadline_s):
            return await check.run()
    except TimeoutError:
        return failed(f"no result within {check.deadline_s:g} s", _LATE_HINT)
    except Exception as error:  # the text of the error may contain a secret
        return failed(f"the check itself failed: {type(error).__name__}", "report this as a bug")
