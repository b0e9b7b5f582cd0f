from pathlib import Path

import pytest

from bench.experiment import Sample
from bench.reports.results import Results
from bench.reports.thresholds import (
    GUARDED,
    Threshold,
    ThresholdsError,
    guarded_experiments,
    load_thresholds,
    save_thresholds,
    thresholds_of,
    verdicts,
)
from bench.scale import FULL, QUICK, Scale
from bench.suites import all_suites


def results(cost: float = 2.0, rounds: int = 5) -> Results:
    """Return rounds in which each cost is ``cost`` times its floor."""
    found = Results({"commit": "abc"})
    for number in range(1, rounds + 1):
        for guarded in GUARDED.values():
            floor = found.by_round(guarded.floor.experiment, guarded.floor.name).get(number, 10.0)
            value = floor / cost if guarded.per_second else floor * cost
            for series, each in ((guarded.floor, floor), (guarded.cost, value)):
                samples = found.rounds.setdefault((series.experiment, number), [])
                if series.name not in {sample.name for sample in samples}:
                    samples.append(Sample(series.name, each, "unit"))
    return found


def test_a_limit_is_the_mean_of_the_rounds_plus_a_fifth() -> None:
    found = thresholds_of(results(2.0))
    assert set(found) == set(GUARDED)
    assert found["one task in Job mode"] == Threshold(limit=2.4, mean=2.0, rounds=5, commit="abc")
    assert found["time per task in a burst"].mean == 2.0


def test_fewer_than_five_rounds_make_no_limit() -> None:
    with pytest.raises(ThresholdsError, match="4 rounds, expected at least 5"):
        thresholds_of(results(rounds=4))


def test_only_rounds_with_cost_and_floor_count() -> None:
    found = results()
    del found.rounds["raw Ray job", 3]
    assert len(GUARDED["one task in Job mode"].ratios(found)) == 4


@pytest.mark.parametrize(("cost", "is_met"), [(1.0, True), (2.39, True), (2.41, False)])
def test_a_ratio_beyond_its_limit_is_a_regression(cost: float, is_met: bool) -> None:
    found = verdicts(thresholds_of(results(2.0)), results(cost))
    assert {verdict.is_met for verdict in found} == {is_met}
    assert all(verdict.text.startswith("ok" if is_met else "FAIL") for verdict in found)


def test_what_was_not_measured_is_a_failure() -> None:
    found = verdicts(thresholds_of(results()), Results({}))
    assert not any(verdict.is_met for verdict in found)
    assert found[0].text == "FAIL time per task in a burst: not measured, limit 2.4"


def test_thresholds_of_other_ratios_are_refused() -> None:
    old = {"another": Threshold(1, 1, 5, "abc"), **thresholds_of(results())}
    with pytest.raises(ThresholdsError, match="another"):
        verdicts(old, results())


def test_thresholds_are_read_as_they_were_written(tmp_path: Path) -> None:
    found = thresholds_of(results())
    save_thresholds(found, tmp_path / "thresholds.json")
    assert load_thresholds(tmp_path / "thresholds.json") == found


@pytest.mark.parametrize(
    ("text", "error"), [(None, "does not exist"), ("{", "invalid"), ('{"a": {"b": 1}}', "invalid")]
)
def test_a_missing_or_broken_file_says_how_to_make_it(tmp_path: Path, text: str | None, error: str) -> None:
    path = tmp_path / "thresholds.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ThresholdsError, match=f"{error}.*bench-thresholds"):
        load_thresholds(path)


def test_the_full_run_has_every_guarded_experiment_in_five_rounds() -> None:
    found = {each.name: each for suite in all_suites(FULL) for each in suite.experiments}
    assert guarded_experiments() <= found.keys()
    assert {found[name].rounds(FULL.rounds) for name in guarded_experiments()} == {5}


@pytest.mark.parametrize("scale", [FULL, QUICK])
def test_a_run_is_expected_to_end_within_its_limit(scale: Scale) -> None:
    found = [each for suite in all_suites(scale) for each in suite.experiments]
    expected_s = sum(each.seconds * each.rounds(scale.rounds) for each in found)
    assert expected_s < scale.minutes * 60
    assert len({each.name for each in found}) == len(found)


def test_only_the_cluster_needs_pods() -> None:
    found = {suite.name: {each.needs_pods for each in suite.experiments} for suite in all_suites(FULL)}
    assert found == {"local": {False}, "serve": {False}, "cluster": {True}, "restart": {False}, "tenants": {False}}
