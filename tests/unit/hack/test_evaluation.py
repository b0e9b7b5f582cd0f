"""Runs, scores, reports and comparisons of the evaluation, with a scripted core."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation.__main__ import main, measure
from evaluation.cases import Case, load_cases
from evaluation.comparison import compare
from evaluation.intervals import difference, score
from evaluation.report import ALL, Report, load_report, merged, save_report
from evaluation.running import CaseRun, CoreSource, run_cases

CASES = load_cases()


def right(case: Case) -> dict[str, Any]:
    return {**case.right, "success": True, "model_used": "scripted"}


def report_of(runs: tuple[CaseRun, ...], **changes: Any) -> Report:
    found = Report({"model": "scripted"}, {"dspy": "3"}, "2026-11-27T00:00:00+00:00", 1, runs)
    return replace(found, **changes)


def runs(passing: int, count: int = 30) -> tuple[CaseRun, ...]:
    """Return runs of which some pass, half of each type."""
    return tuple(
        CaseRun(f"case-{n}", ("a", "b")[n % 2], 1, {"one": n < passing, "two": True}, 0.1, {}) for n in range(count)
    )


def test_the_right_answers_get_the_full_score() -> None:
    report = report_of(measure(CASES, right, 1, 4))
    assert report.scores("passed")[ALL].mean == 1
    assert report.scores("checks")[ALL].count == 60


def test_wrong_answers_pass_no_case() -> None:
    found = measure(CASES, lambda case: {**case.wrong[0], "success": True}, 1, 4)
    assert not any(run.passed for run in found)


def test_outcomes_are_in_the_order_of_the_cases_and_repetitions() -> None:
    found = run_cases(CASES[:3], right, 2, 4, lambda run: None)
    assert [(run.case_id, run.repetition) for run in found] == [(case.id, n) for case in CASES[:3] for n in (1, 2)]


def test_at_most_the_given_number_of_calls_run_at_once() -> None:
    lock, at_once, peak, both = threading.Lock(), 0, 0, threading.Barrier(2, timeout=10)

    def ask(case: Case) -> dict[str, Any]:
        nonlocal at_once, peak
        with lock:
            at_once += 1
            peak = max(peak, at_once)
        both.wait()
        with lock:
            at_once -= 1
        return right(case)

    run_cases(CASES[:6], ask, 1, 2, lambda run: None)
    assert peak == 2


def test_each_thread_asks_a_core_of_its_own() -> None:
    created: list[int] = []

    def create() -> Any:
        created.append(threading.get_ident())
        return lambda context: {"thread": created.count(threading.get_ident()), "context": context}

    source = CoreSource(create, lambda case: case.id)
    assert source(CASES[0]) == source(CASES[0]) == {"thread": 1, "context": CASES[0].id}
    other = threading.Thread(target=source, args=(CASES[0],))
    other.start()
    other.join()
    assert len(created) == 2


def test_an_error_holds_no_check_and_is_kept_with_its_class() -> None:
    failed = {"success": False, "error_type": "ModelTimeout", "error": "no answer in 5 s"}
    (run,) = run_cases(CASES[:1], lambda case: failed, 1, 1, lambda run: None)
    assert not any(run.held.values())
    assert run.error == "ModelTimeout: no answer in 5 s"


@pytest.mark.parametrize(
    ("passed", "count", "low", "high"), [(0, 10, 0.0, 0.2775), (8, 10, 0.4902, 0.9433), (50, 100, 0.4038, 0.5962)]
)
def test_wilsons_interval_has_the_published_values(passed: int, count: int, low: float, high: float) -> None:
    found = score([1.0] * passed + [0.0] * (count - passed))
    assert [found.low, found.high] == pytest.approx([low, high], abs=5e-5)


def test_newcombes_interval_has_the_published_values() -> None:
    """Example (a) of the paper: 56 of 70 and 48 of 80."""
    found = difference(score([1.0] * 48 + [0.0] * 32), score([1.0] * 56 + [0.0] * 14))
    assert [found.value, found.low, found.high] == pytest.approx([0.2, 0.0524, 0.3339], abs=5e-5)


def test_repetitions_of_a_case_do_not_narrow_the_interval() -> None:
    one = runs(10)
    twice = (*one, *(replace(run, repetition=2) for run in one))
    assert report_of(twice).scores("passed") == report_of(one).scores("passed")


def test_a_difference_within_the_interval_is_none() -> None:
    verdicts = {row.name: row.verdict for row in compare(report_of(runs(14)), report_of(runs(16)), "passed")}
    assert verdicts == {"a": "none", "b": "none", ALL: "none"}


def test_a_difference_beyond_the_interval_has_its_direction() -> None:
    better = {row.name: row.verdict for row in compare(report_of(runs(2)), report_of(runs(26)), "passed")}
    worse = {row.name: row.verdict for row in compare(report_of(runs(26)), report_of(runs(2)), "passed")}
    assert set(better.values()) == {"better"}
    assert set(worse.values()) == {"worse"}


def test_reports_of_different_cases_are_not_compared() -> None:
    with pytest.raises(ValueError, match="case-29"):
        compare(report_of(runs(2)), report_of(runs(2, 29)), "passed")


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = report_of(measure(CASES[:2], right, 1, 1))
    save_report(report, tmp_path / "new" / "report.json")
    assert load_report(tmp_path / "new" / "report.json") == report
    written = json.loads((tmp_path / "new" / "report.json").read_text(encoding="utf-8"))
    assert written["scores"]["passed"][ALL]["mean"] == 1
    assert "Wilson" in written["method"]


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[]"])
def test_another_file_is_not_taken_for_a_report(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=r"other\.json is not a report"):
        load_report(tmp_path / "other.json")


def test_parts_are_merged_and_a_run_is_not_counted_twice() -> None:
    whole = runs(10)
    parts = [report_of(whole[:10]), report_of(whole[10:])]
    assert merged(parts).scores("passed") == report_of(whole).scores("passed")
    with pytest.raises(ValueError, match="same case and repetition"):
        merged([parts[0], parts[0]])
    with pytest.raises(ValueError, match="different models"):
        merged([parts[0], report_of(whole[10:], model={"model": "other"})])


def test_the_command_line_compares_two_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, passing in (("before", 2), ("after", 28)):
        save_report(report_of(runs(passing)), tmp_path / f"{name}.json")
    assert main(["compare", str(tmp_path / "before.json"), str(tmp_path / "after.json")]) == 0
    shown = capsys.readouterr().out
    assert "better" in shown
    assert "+0.87" in shown


def test_a_missing_report_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "none.json"), str(tmp_path / "none.json")]) == 1
    assert "none.json is not a report" in capsys.readouterr().err
