"""Performance budgets for two cores with an instant model and results of 2 KiB; pure.

Source: the project's design. Budgets that are relative to a floor compare with the floor measured in the same run.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench import names
from bench.names import EMBEDDED, JOB, LATENCY, P50, P99, RAW_JOB, one, rate
from bench.reports.latest import BURST, COMPARED_BURST, FINISHED, FORMULAS, RAW, Formula, median_of, ratio, seconds
from bench.reports.summary import MissingSampleError, Summaries

COLD_START_S = 2.0
"""Time that a cold start may take longer than a raw Ray job."""


@dataclass(frozen=True)
class Budget:
    """A value and its limit."""

    name: str
    value: Formula
    limit: float
    unit: str
    at_least: bool = False
    """True: the limit is a minimum. False: it is a maximum."""


@dataclass(frozen=True)
class BudgetRow:
    """A budget beside the measured value."""

    budget: Budget
    value: float

    @property
    def is_met(self) -> bool:
        """True when the value is within its limit."""
        return self.value >= self.budget.limit if self.budget.at_least else self.value <= self.budget.limit

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Name, value, limit, and ``yes`` or ``NO`` for a limit that is kept or not."""
        sign, unit = "≥" if self.budget.at_least else "≤", f" {self.budget.unit}".rstrip()
        met = "yes" if self.is_met else "NO"
        return self.budget.name, f"{self.value:.4g}{unit}", f"{sign} {self.budget.limit:g}{unit}", met


def difference(above: Formula, below: Formula) -> Formula:
    """Return a formula for a difference."""
    return lambda summaries: above(summaries) - below(summaries)


def _cpu(process: str) -> Formula:
    return median_of(BURST, f"CPU per task, {process}")


def _rates() -> list[Budget]:
    found = []
    for each in (10, 30):
        name = rate(EMBEDDED, each)
        found += [
            Budget(f"{name}: p50", median_of(name, P50), 30, "ms"),
            Budget(f"{name}: p99", median_of(name, P99), 100, "ms"),
        ]
    return found


def _ratio(key: str, name: str, limit: float) -> Budget:
    return Budget(f"{name}: Embedded ahead by", FORMULAS[key], limit, "times", at_least=True)


BUDGETS = [
    _ratio("ratio_single_http", one(names.rayjob(names.HTTP_MODE)), 100),
    _ratio("ratio_single_k8sjob", one(names.rayjob(names.K8SJOB_MODE)), 200),
    _ratio("ratio_burst100", names.burst(names.rayjob(names.HTTP_MODE), COMPARED_BURST), 120),
    *_rates(),
    Budget(
        f"{BURST}: throughput over the floor",
        FORMULAS["burst1000_over_floor"],
        0.5,
        "",
        at_least=True,
    ),
    Budget(f"{BURST}: first done", median_of(BURST, names.FIRST), 1, "s"),
    Budget(f"{BURST}: not succeeded", median_of(BURST, "not succeeded"), 0, "tasks"),
    Budget(f"{BURST}: model calls in excess", median_of(BURST, "model calls in excess of tasks"), 0, "calls"),
    Budget(f"{BURST}: API writes per task", FORMULAS["api_writes_per_task"], 2.1, "writes"),
    Budget(f"{BURST}: CPU per task, API server", _cpu("API server"), 11, "ms"),
    Budget(f"{BURST}: CPU per task, operator", FORMULAS["cpu_ms_per_task_operator"], 4, "ms"),
    Budget(f"{BURST}: CPU per task, worker", _cpu("worker"), 5, "ms"),
    Budget(f"{BURST}: CPU per task, all", _cpu("all but the model"), 24, "ms"),
    Budget(
        "our status write over a schema-less one (API server CPU)",
        FORMULAS["status_write_cost"],
        1.3,
        "",
    ),
    Budget(
        f"{one(JOB)}, beyond a {RAW_JOB}",
        seconds(difference(median_of(one(JOB), LATENCY), RAW)),
        COLD_START_S,
        "s",
    ),
    Budget(one(names.WARM_SLOTS), FORMULAS["job_warm_p50_s"], 0.3, "s"),
    Budget(
        f"{names.FIRST_TASK}, beyond a {RAW_JOB}",
        seconds(difference(median_of(names.FIRST_TASK, LATENCY), RAW)),
        COLD_START_S,
        "s",
    ),
    Budget(
        f"{names.TENANTS}: {P99} over its promised bound",
        ratio(median_of(names.TENANTS, f"{P99}, {names.BESIDE}"), median_of(names.TENANTS, names.P99_BOUND)),
        1,
        "",
    ),
    Budget(
        f"{names.TENANTS}: not succeeded",
        median_of(names.TENANTS, f"not succeeded, {names.BESIDE}"),
        0,
        "tasks",
    ),
    Budget(f"{names.CONCURRENT}: last done", median_of(names.CONCURRENT, names.LAST), 2, "s"),
    Budget("executor overhead around a model call", median_of(names.OVERHEAD, "overhead per call"), 5, "ms"),
    Budget("operator import", median_of(names.IMPORT, "time"), 1, "s"),
    Budget("operator memory, idle", FORMULAS["rss_idle_mb"], 120, "MB"),
    Budget("operator memory, 10,000 finished tasks", FORMULAS["rss_10k_mb"], 300, "MB"),
    Budget("restart with 10,000 finished tasks", median_of(names.restart(FINISHED), names.RESTART_READY), 15, "s"),
    Budget(
        "writes after a restart with 10,000 finished tasks",
        FORMULAS["restart_writes"],
        0,
        "writes",
    ),
]


def budget_rows(summaries: Summaries, missing: Callable[[str], object] = lambda _: None) -> list[BudgetRow]:
    """Return the measured budgets; ``missing`` is called with the name of each budget that was not measured."""
    rows = []
    for budget in BUDGETS:
        try:
            rows.append(BudgetRow(budget, budget.value(summaries)))
        except MissingSampleError:
            missing(budget.name)
    return rows
