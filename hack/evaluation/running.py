"""Runs cases through the cognitive core, several at a time.

Only the library's public names are used, so that an older core can be measured: ``PYTHONPATH`` chooses the core. The
cases with tools need a core with tools.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from evaluation.cases import Case

Ask = Callable[[Case], dict[str, Any]]
"""Returns the answer of the core to a case, in the form of ``CognitiveCore.__call__``."""


@dataclass(frozen=True)
class CaseRun:
    """Outcome of one question."""

    case_id: str
    task_type: str
    repetition: int
    """Number of the repetition, from 1."""
    held: dict[str, bool]
    """Name of each check, and True if the answer holds it."""
    seconds: float
    answer: dict[str, Any]
    error: str | None = None
    """Class and message of the error; None: the core answered."""
    tokens: int | None = None
    """Tokens of all model calls; None: the core does not tell."""

    @property
    def passed(self) -> bool:
        """True if all checks hold."""
        return all(self.held.values())

    @property
    def share(self) -> float:
        """Share of the checks that hold."""
        return sum(self.held.values()) / len(self.held)


def run_cases(
    cases: Sequence[Case], ask: Ask, repetitions: int, concurrency: int, done: Callable[[CaseRun], None]
) -> list[CaseRun]:
    """Ask each case ``repetitions`` times, at most ``concurrency`` at a time, and return the outcomes in order.

    ``done`` is called after each outcome, by the calling thread.
    """
    with ThreadPoolExecutor(concurrency) as threads:
        jobs = {
            threads.submit(_run, case, ask, repetition): (number, repetition)
            for number, case in enumerate(cases)
            for repetition in range(1, repetitions + 1)
        }
        outcomes: dict[tuple[int, int], CaseRun] = {}
        try:
            for job in as_completed(jobs):
                outcomes[jobs[job]] = job.result()
                done(outcomes[jobs[job]])
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return [outcomes[key] for key in sorted(outcomes)]


class CoreSource:
    """Asks cognitive cores, one per thread, because a core's call blocks its thread."""

    def __init__(self, create: Callable[[], Any], context: Callable[[Case], Any]) -> None:
        """Take the constructor of a core, and that of the context of a case."""
        self._create = create
        self._context = context
        self._cores = threading.local()

    def __call__(self, case: Case) -> dict[str, Any]:
        """Return the answer of this thread's core."""
        if not hasattr(self._cores, "core"):
            self._cores.core = self._create()
        answer: dict[str, Any] = self._cores.core(self._context(case))
        return answer


def _run(case: Case, ask: Ask, repetition: int) -> CaseRun:
    started = time.monotonic()
    answer = ask(case)
    seconds = round(time.monotonic() - started, 3)
    outputs = {name: answer[name] for name in answer if name in case.right}
    held, error = case.held(answer), None
    if not answer.get("success"):
        held, error = dict.fromkeys(held, False), f"{answer.get('error_type')}: {answer.get('error')}"
    return CaseRun(case.id, case.task_type, repetition, held, seconds, outputs, error, answer.get("tokens"))
