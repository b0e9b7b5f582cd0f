"""The use case of the doctor: run checks side by side, each within its own time and after those that it builds on."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cognitive_runtime.domain.finding import CheckStatus, Finding, failed, skipped

_LATE_HINT: Final = (
    "something on the way takes connections and does not answer: a firewall, a proxy or an overloaded server"
)


@dataclass(frozen=True)
class Check:
    """One question that an examination answers."""

    name: str
    group: str
    run: Callable[[], Awaitable[Finding]]
    depends_on: tuple[str, ...] = ()
    """Checks without whose success this one can find nothing; one that is not asked for does not count."""
    deadline_s: float = 5.0


@dataclass(frozen=True)
class CheckResult:
    """A check and what it found."""

    name: str
    group: str
    finding: Finding
    seconds: float


async def run_checks(checks: Sequence[Check]) -> tuple[CheckResult, ...]:
    """Return what every check found, in the order given; a check stands behind those that it needs."""
    running: dict[str, asyncio.Task[CheckResult]] = {}
    for check in checks:
        needed = [running[name] for name in check.depends_on if name in running]
        running[check.name] = asyncio.create_task(_after(needed, check))
    return tuple(await asyncio.gather(*running.values()))


async def _after(needed: Sequence[asyncio.Task[CheckResult]], check: Check) -> CheckResult:
    for found in await asyncio.gather(*needed):
        if found.finding.blocks:
            fate = "failed" if found.finding.status is CheckStatus.FAILED else "was skipped"
            reason = skipped(f"needs {found.name}, which {fate}", blocks=True)
            return CheckResult(check.name, check.group, reason, 0.0)
    begun_s = time.monotonic()
    finding = await _within_deadline(check)
    return CheckResult(check.name, check.group, finding, round(time.monotonic() - begun_s, 3))


async def _within_deadline(check: Check) -> Finding:
    try:
        async with asyncio.timeout(check.deadline_s):
            return await check.run()
    except TimeoutError:
        return failed(f"nothing was found out within {check.deadline_s:g} s", _LATE_HINT)
    except Exception as error:  # one check that crashes hides nothing of the others; its text may hold a secret
        return failed(f"the check itself failed: {type(error).__name__}", "please report this")
