import json
from pathlib import Path

from bench.experiment import Sample
from bench.reports.latest import FORMULAS, latest_of
from bench.reports.plots import points
from bench.reports.report import markdown_of, report_of, table, write_report
from bench.reports.results import Results
from bench.reports.summary import Summaries

KEYS = {
    "ratio_single_http",
    "ratio_single_k8sjob",
    "ratio_burst100",
    "ratio_job_raw",
    "job_warm_p50_s",
    "executor_first_task_s",
    "raw_ray_job_s",
    "burst1000_per_second",
    "burst1000_over_floor",
    "status_write_cost",
    "embedded_p50_ms_at_10",
    "embedded_p99_ms_at_10",
    "api_writes_per_task",
    "cpu_ms_per_task_operator",
    "rss_idle_mb",
    "rss_10k_mb",
    "restart_writes",
}
MEASURED = {
    "cluster: Embedded, one at a time": {"latency": 40.0},
    "cluster: RayJob HTTPMode, one at a time": {"latency": 3000.0},
    "cluster: RayJob K8sJobMode, one at a time": {"latency": 9000.0},
    "cluster: Embedded, 100 at once": {"done per second": 42.0},
    "cluster: RayJob HTTPMode, 100 at once": {"done per second": 0.7},
    "Job, one at a time": {"latency": 4000.0},
    "Job with warm slots, one at a time": {"latency": 250.0},
    "executor's first task": {"latency": 9000.0},
    "raw Ray job": {"latency": 2000.0},
    "Embedded, 1000 at once": {"done per second": 45.0, "API writes per task": 3.1, "CPU per task, operator": 8.0},
    "bare client, no schema": {"pairs per second": 180.0, "API server CPU per status write": 5.0},
    "bare client, our schema": {"pairs per second": 112.0, "API server CPU per status write": 10.0},
    "Embedded at 10/s": {"latency p50": 30.0, "latency p99": 80.0, "each latency": 30.0},
    "restart with 0 finished tasks": {"memory, operator": 110.0},
    "restart with 10000 finished tasks": {"memory, operator": 280.0, "writes after restart": 0.0},
}
EXPECTED = {
    "ratio_single_http": 75.0,
    "ratio_single_k8sjob": 225.0,
    "ratio_burst100": 60.0,
    "ratio_job_raw": 2.0,
    "job_warm_p50_s": 0.25,
    "executor_first_task_s": 9.0,
    "raw_ray_job_s": 2.0,
    "burst1000_per_second": 45.0,
    "burst1000_over_floor": 0.25,
    "status_write_cost": 2.0,
    "embedded_p50_ms_at_10": 30.0,
    "embedded_p99_ms_at_10": 80.0,
    "api_writes_per_task": 3.1,
    "cpu_ms_per_task_operator": 8.0,
    "rss_idle_mb": 110.0,
    "rss_10k_mb": 280.0,
    "restart_writes": 0.0,
}
HEADER = {"scale": "full", "commit": "abc", "machine": {"cores": 2, "memory_gb": 8}, "versions": {"ray": "2.60"}}


def results(**changes: str) -> Results:
    """Return results of a full run; ``changes`` are reasons of experiments that are taken out of it."""
    rounds = {
        (experiment, 1): [Sample(name, value, "unit") for name, value in values.items()]
        for experiment, values in MEASURED.items()
        if experiment not in changes
    }
    return Results(HEADER, rounds, dict(changes))


def test_latest_has_exactly_its_keys() -> None:
    assert set(FORMULAS) == set(latest_of(Results({}))[0]) == KEYS


def test_latest_is_computed_from_medians() -> None:
    assert latest_of(results()) == (EXPECTED, {})


def test_what_was_not_measured_is_null_with_its_reason() -> None:
    values, reasons = latest_of(results(**{"cluster: Embedded, one at a time": "skipped: no cluster"}))
    nothing = {"ratio_single_http", "ratio_single_k8sjob"}
    assert {key for key, value in values.items() if value is None} == set(reasons) == nothing
    assert "skipped: no cluster" in reasons["ratio_single_http"]
    assert set(latest_of(Results({}))[1]) == KEYS


def test_a_floor_of_nothing_gives_no_ratio() -> None:
    found = results()
    found.rounds["raw Ray job", 1] = [Sample("latency", 0.0, "ms")]
    values, reasons = latest_of(found)
    assert values["ratio_job_raw"] is None
    assert "0" in reasons["ratio_job_raw"]


def test_the_report_has_the_machine_all_medians_and_no_single_latency() -> None:
    report = report_of(results())
    assert report["run"] == HEADER
    assert report["latest"] == EXPECTED
    entry = {"experiment": "raw Ray job", "name": "latency", "median": 2000.0, "low": 2000.0, "high": 2000.0}
    assert entry | {"count": 1, "unit": "unit"} in report["measurements"]
    assert "each latency" not in {each["name"] for each in report["measurements"]}


def test_the_page_has_budgets_medians_and_reasons() -> None:
    text = markdown_of(results(**{"raw Ray job": "failed: a | b"}))
    assert "| memory gb | 8 |" in text
    assert "| ratio_single_http | 75 |" in text
    assert "| Embedded at 10/s: p50 | 30 ms | ≤ 30 ms | yes |" in text
    assert "| Embedded, 1000 at once: CPU per task, operator | 8 ms | ≤ 4 ms | NO |" in text
    assert "| Embedded at 10/s | latency p99 (unit) | 80 | 80 | 80 | 1 |" in text
    assert "| raw Ray job | failed: a \\| b |" in text


def test_a_cell_cannot_break_the_table() -> None:
    assert table(("a",), [("x |\n y",)]) == "| a |\n| --- |\n| x \\| y |\n"


def test_all_files_are_written(tmp_path: Path) -> None:
    written = {path.name for path in write_report(results(), tmp_path / "bench")}
    assert written == {"results.json", "latest.json", "results.md", "latency.svg", "throughput.svg", "memory.svg"}
    assert {path.name for path in (tmp_path / "bench").iterdir()} == written
    assert json.loads((tmp_path / "bench" / "latest.json").read_text()) == EXPECTED


def test_a_plot_without_data_is_not_written_and_an_old_one_deleted(tmp_path: Path) -> None:
    (tmp_path / "memory.svg").write_text("old")
    names = {path.name for path in write_report(Results(HEADER), tmp_path)}
    assert names == {path.name for path in tmp_path.iterdir()} == {"results.json", "latest.json", "results.md"}


def test_a_line_of_a_plot_has_its_points_in_order() -> None:
    found = {
        f"Embedded, {count} at once": [Sample("done per second", rate, "1/s")] for count, rate in ((100, 40), (10, 30))
    }
    found["Embedded at 10/s"] = [Sample("done per second", 1, "1/s")]
    assert points(Summaries(found), ("done per second",), "at once") == {"Embedded": [(10, 30), (100, 40)]}
    memory = {"restart with 1000 finished tasks": [Sample("memory", 5, "MB"), Sample("heat", 6, "MB")]}
    assert points(Summaries(memory), ("memory", "heat"), "finished tasks") == {
        "memory": [(1000, 5)],
        "heat": [(1000, 6)],
    }
