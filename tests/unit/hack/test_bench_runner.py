from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.experiment import Experiment, Sample, SkippedError, Suite
from bench.lazy_server import LazyServer
from bench.reports.results import ResultsFile, load_results
from bench.runner import Runner, alternating
from bench.scale import TINY

HEADER = {"scale": "tiny", "commit": "abc"}


class Fakes:
    """Experiments that record their runs."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, int]] = []
        self.titles: list[str] = []
        self.closed: list[str] = []

    def experiment(self, name: str, seconds: float = 1.0, error: BaseException | None = None) -> Experiment:
        def run(number: int) -> Sequence[Sample]:
            self.runs.append((name, number))
            if error is not None:
                raise error
            return [Sample("value", float(number), "ms")]

        return Experiment(name, seconds, needs_pods=False, run=run)

    def suite(self, name: str, *experiments: Experiment) -> Suite:
        return Suite(name, experiments, lambda: self.closed.append(name))

    def run(self, path: Path, *suites: Suite, minutes: float = 60) -> ResultsFile:
        file = ResultsFile(path, HEADER)
        Runner(file, replace(TINY, rounds=2, minutes=minutes), self.progress).run(suites)
        return file

    @contextmanager
    def progress(self, title: str) -> Iterator[None]:
        self.titles.append(title)
        yield


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def test_experiments_alternate_and_long_ones_have_one_round(fakes: Fakes) -> None:
    short, long = fakes.experiment("short", 59.9), fakes.experiment("long", 60)
    assert [(number, each.name) for number, each in alternating([short, long], 3)] == [
        (1, "short"),
        (1, "long"),
        (2, "short"),
        (3, "short"),
    ]


def test_suites_run_one_after_another_and_are_closed(fakes: Fakes, path: Path) -> None:
    first = fakes.suite("first", fakes.experiment("a"), fakes.experiment("b"))
    fakes.run(path, first, fakes.suite("second", fakes.experiment("c")))
    assert fakes.runs == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("c", 1), ("c", 2)]
    assert fakes.closed == ["first", "second"]
    assert load_results(path).by_round("b", "value") == {1: 1.0, 2: 2.0}
    assert fakes.titles[0] == "6 rounds, about 0 min left: a, round 1"
    assert fakes.titles[-1].startswith("1 rounds")


def test_a_stopped_run_continues_with_the_round_that_it_was_in(fakes: Fakes, path: Path) -> None:
    stopped = fakes.suite("s", fakes.experiment("a"), fakes.experiment("b", error=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        fakes.run(path, stopped)
    assert fakes.closed == ["s"]
    fakes.runs.clear()
    fakes.run(path, fakes.suite("s", fakes.experiment("a"), fakes.experiment("b")))
    assert fakes.runs == [("b", 1), ("a", 2), ("b", 2)]
    fakes.runs.clear()
    fakes.run(path, fakes.suite("s", fakes.experiment("a"), fakes.experiment("b")))
    assert fakes.runs == []


def test_what_is_skipped_or_fails_has_its_reason_and_stops_nothing(fakes: Fakes, path: Path) -> None:
    failures = ExceptionGroup("several", [ValueError("one"), ExceptionGroup("more", [OSError("two")])])
    suite = fakes.suite(
        "s",
        fakes.experiment("pods", error=SkippedError("no cluster")),
        fakes.experiment("broken", error=failures),
        fakes.experiment("good"),
    )
    file = fakes.run(path, suite)
    reasons = {"pods": "skipped: no cluster", "broken": "failed: ValueError: one; OSError: two"}
    assert file.results.reasons == load_results(path).reasons == reasons
    assert set(file.results.rounds) == {("good", 1), ("good", 2)}


def test_what_would_not_end_within_the_limit_is_left_for_the_next_run(fakes: Fakes, path: Path) -> None:
    suite = fakes.suite("s", fakes.experiment("long", seconds=600), fakes.experiment("short"))
    file = fakes.run(path, suite, minutes=5)
    assert {name for name, _ in fakes.runs} == {"short"}
    assert "time limit of 5 minutes" in file.results.reasons["long"]


def test_servers_start_when_they_are_needed_and_once() -> None:
    events: list[str] = []

    @contextmanager
    def server() -> Iterator[str]:
        events.append("started")
        yield "server"
        events.append("stopped")

    lazy = LazyServer(server)
    lazy.close()
    assert events == []
    assert lazy() == lazy() == "server"
    lazy.close()
    assert events == ["started", "stopped"]


def test_a_start_that_failed_is_not_repeated() -> None:
    starts: list[int] = []

    @contextmanager
    def server() -> Iterator[str]:
        starts.append(1)
        raise SkippedError("no cluster")
        yield ""

    lazy = LazyServer(server)
    for _ in range(2):
        with pytest.raises(SkippedError, match="no cluster"):
            lazy()
    assert starts == [1]
