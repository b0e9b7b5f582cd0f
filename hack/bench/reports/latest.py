"""The values of ``docs/bench/latest.json``, computed from the medians of a run; pure."""

from collections.abc import Callable, Mapping

from bench import names
from bench.names import (
    CPU_OPERATOR,
    EMBEDDED,
    HTTP_MODE,
    JOB,
    K8SJOB_MODE,
    LATENCY,
    ON_CLUSTER,
    P50,
    P99,
    PAIRS,
    PER_SECOND,
    RAW_JOB,
    STATUS_CPU,
    WRITES,
    burst,
    one,
    rate,
)
from bench.reports.results import Results
from bench.reports.summary import MissingSampleError, Summaries

Formula = Callable[[Summaries], float]
COMPARED_BURST = 100
BURST = burst(EMBEDDED, 1000)
FINISHED = 10_000


def median_of(experiment: str, name: str) -> Formula:
    """Return a formula for a median."""
    return lambda summaries: summaries.median(experiment, name)


def ratio(above: Formula, below: Formula) -> Formula:
    """Return a formula for a ratio."""
    return lambda summaries: above(summaries) / below(summaries)


def seconds(milliseconds: Formula) -> Formula:
    """Return a formula for a value in seconds."""
    return lambda summaries: milliseconds(summaries) / 1000


SINGLE = median_of(one(f"{ON_CLUSTER}{EMBEDDED}"), LATENCY)
RAW = median_of(RAW_JOB, LATENCY)
FORMULAS: Mapping[str, Formula] = {
    "ratio_single_http": ratio(median_of(one(names.rayjob(HTTP_MODE)), LATENCY), SINGLE),
    "ratio_single_k8sjob": ratio(median_of(one(names.rayjob(K8SJOB_MODE)), LATENCY), SINGLE),
    "ratio_burst100": ratio(
        median_of(burst(f"{ON_CLUSTER}{EMBEDDED}", COMPARED_BURST), PER_SECOND),
        median_of(burst(names.rayjob(HTTP_MODE), COMPARED_BURST), PER_SECOND),
    ),
    "ratio_job_raw": ratio(median_of(one(JOB), LATENCY), RAW),
    "job_warm_p50_s": seconds(median_of(one(names.WARM_SLOTS), LATENCY)),
    "executor_first_task_s": seconds(median_of(names.FIRST_TASK, LATENCY)),
    "raw_ray_job_s": seconds(RAW),
    "burst1000_per_second": median_of(BURST, PER_SECOND),
    "burst1000_over_floor": ratio(median_of(BURST, PER_SECOND), median_of(names.FLOOR_BARE, PAIRS)),
    "status_write_cost": ratio(median_of(names.FLOOR_OURS, STATUS_CPU), median_of(names.FLOOR_BARE, STATUS_CPU)),
    "embedded_p50_ms_at_10": median_of(rate(EMBEDDED, 10), P50),
    "embedded_p99_ms_at_10": median_of(rate(EMBEDDED, 10), P99),
    "api_writes_per_task": median_of(BURST, WRITES),
    "cpu_ms_per_task_operator": median_of(BURST, CPU_OPERATOR),
    "rss_idle_mb": median_of(names.restart(0), names.RSS_OPERATOR),
    "rss_10k_mb": median_of(names.restart(FINISHED), names.RSS_OPERATOR),
    "restart_writes": median_of(names.restart(FINISHED), names.RESTART_WRITES),
}
"""Formula of each key. A ratio over RayJob is greater than 1 if this project is ahead."""


def latest_of(results: Results) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return the value of each key, None if it was not measured, and the reason for each None."""
    summaries = Summaries(results.samples())
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for key, formula in FORMULAS.items():
        try:
            values[key] = round(formula(summaries), 4)
        except MissingSampleError as missing:
            values[key] = None
            reasons[key] = f"{missing}: {results.reasons.get(missing.experiment, 'not part of this run')}"
        except ZeroDivisionError:
            values[key], reasons[key] = None, "the value to divide by was measured as 0"
    return values, reasons
