import json
from pathlib import Path

import pytest

from bench.experiment import Sample
from bench.reports.results import ResultsError, ResultsFile, load_results

HEADER = {"scale": "full", "commit": "abc", "began": "today"}
FIRST, SECOND = Sample("latency", 1.5, "ms"), Sample("latency", 2.5, "ms")


def write_two_rounds(path: Path) -> None:
    file = ResultsFile(path, HEADER)
    file.record("one", 1, [FIRST, SECOND])
    file.record("one", 2, [SECOND])


def test_each_sample_has_a_line_and_each_round_an_end(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "results.jsonl"
    ResultsFile(path, HEADER).record("one", 1, [FIRST])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"run": HEADER},
        {"experiment": "one", "round": 1, "name": "latency", "value": 1.5, "unit": "ms"},
        {"experiment": "one", "round": 1, "done": True},
    ]


@pytest.mark.parametrize("cut", [1, 30, 60, 120, 200])
def test_a_file_that_was_cut_keeps_its_complete_rounds(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "results.jsonl"
    write_two_rounds(path)
    path.write_bytes(path.read_bytes()[:-cut])
    kept = ResultsFile(path, HEADER)
    assert ("one", 2) not in kept.results.rounds
    if cut < 140:
        assert kept.results.rounds == {("one", 1): [FIRST, SECOND]}
    kept.record("one", 2, [SECOND])
    again = load_results(path)
    assert again.rounds["one", 2] == [SECOND]
    assert len(path.read_text().splitlines()) == 1 + sum(len(found) + 1 for found in again.rounds.values())


def test_values_are_found_over_all_rounds_and_by_round(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write_two_rounds(path)
    results = load_results(path)
    assert results.values("one", "latency") == [1.5, 2.5, 2.5]
    assert results.by_round("one", "latency") == {1: 1.5, 2: 2.5}
    assert results.samples() == {"one": [FIRST, SECOND, SECOND]}


def test_a_reason_lasts_until_the_round_is_measured_or_the_run_resumes(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    file = ResultsFile(path, HEADER)
    file.record_reason("pods", 1, "skipped: no cluster")
    assert load_results(path).reasons == {"pods": "skipped: no cluster"}
    file.record("pods", 1, [FIRST])
    assert file.results.reasons == load_results(path).reasons == {}
    file.record_reason("other", 1, "failed")
    assert ResultsFile(path, HEADER).results.reasons == {}


@pytest.mark.parametrize("change", [{"scale": "quick"}, {"commit": "def"}])
def test_another_run_does_not_resume_the_file(tmp_path: Path, change: dict[str, str]) -> None:
    path = tmp_path / "results.jsonl"
    write_two_rounds(path)
    before = path.read_bytes()
    with pytest.raises(ResultsError, match=f"{next(iter(change))}.*--new"):
        ResultsFile(path, HEADER | change)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", '{"other": 1}\n', "no JSON\n"])
def test_another_file_is_no_results_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other"
    path.write_text(text)
    with pytest.raises(ResultsError, match="other"):
        load_results(path)


def test_a_missing_results_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="none"):
        load_results(tmp_path / "none")
