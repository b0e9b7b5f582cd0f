import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bench.experiment import Sample
from bench.kube.objects import Timeline
from bench.workloads.patterns import CONNECTIONS, WorkloadResult, burst, one_by_one, result_of, steady, waves


class FakeClient:
    """Objects that succeed as soon as they are created, except those whose names end in FAILING or HANGING."""

    FAILING, HANGING = "-1", "-2"

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.now = 0.0
        self.open = 0
        self.most_open = 0
        self.waited: list[Sequence[str]] = []

    async def create(self, name: str, owner: str) -> None:
        assert owner == "agent"
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        self.timeline.created[name] = self.now
        self.now += 1
        if not name.endswith(self.HANGING):
            self.timeline.finished[name] = self.now
            self.timeline.outcomes[name] = "Failed" if name.endswith(self.FAILING) else "Succeeded"

    async def wait(self, names: Sequence[str], timeout_s: float) -> list[str]:
        self.waited.append(names)
        return [name for name in names if name not in self.timeline.finished]


@pytest.fixture
def client() -> Any:
    return FakeClient()


def values(samples: Sequence[Sample], name: str) -> list[float]:
    return [sample.value for sample in samples if sample.name == name]


async def test_a_burst_counts_what_failed_and_what_did_not_end(client: Any) -> None:
    result = await burst(client, "agent", 10)
    assert client.most_open == CONNECTIONS
    assert len(result.names) == 10
    assert (len(result.failed), len(result.unfinished), result.not_succeeded) == (1, 1, 2)
    samples = result.burst_samples()
    assert (result.first_s, result.total_s) == (1.0, 10.0)
    assert values(samples, "done per second") == [0.8]
    assert values(samples, "asked") == [10]
    assert values(samples, "not succeeded") == [2]


async def test_waves_wait_for_each_other(client: Any) -> None:
    result = await waves(client, "agent", 5, 2)
    assert client.most_open == 2
    first = list(result.names)
    assert client.waited == [first[:2], first[2:4], first[4:], first]


async def test_one_follows_the_other(client: Any) -> None:
    result = await one_by_one(client, "agent", 3)
    assert client.most_open == 1
    assert [list(names) for names in client.waited[:3]] == [[name] for name in result.names]


async def test_a_rate_creates_rate_times_seconds_objects(client: Any) -> None:
    result = await steady(client, "agent", 10_000.0, 0.001)
    samples = result.rate_samples()
    assert values(samples, "asked") == [10]
    assert values(samples, "latency p50") == [1000.0]
    assert values(samples, "each latency") == [1000.0] * 9


async def test_names_are_used_once(client: Any) -> None:
    first, second = await burst(client, "agent", 3), await burst(client, "agent", 3)
    assert not set(first.names) & set(second.names)


async def test_nothing_that_ends_is_no_result(client: Any) -> None:
    await client.create("a-2", "agent")
    with pytest.raises(RuntimeError, match="none of 1 objects ended"):
        await result_of(client, ["a-2"], 0)


def test_single_latencies_need_success() -> None:
    good = WorkloadResult(["a", "b"], [], [1.0, 3.0], [], 1, 2)
    assert values(good.single_samples(), "latency") == [1.0, 3.0]
    for unfinished, failed in ((["b"], []), ([], ["b"])):
        with pytest.raises(RuntimeError, match="did not succeed: b"):
            WorkloadResult(["a", "b"], unfinished, [1.0], failed, 1, 2).single_samples()
