"""Workloads: a steady rate, many at once, one after another."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.experiment import Sample
from bench.kube.kinds import FAILED
from bench.kube.objects import ObjectClient
from bench.names import EACH_LATENCY, FIRST, LAST, LATENCY, P50, P95, P99, PER_SECOND
from bench.reports.summary import percentile

FINISH_TIMEOUT_S = 120.0
CONNECTIONS = 8
_numbers = itertools.count()


@dataclass(frozen=True)
class WorkloadResult:
    """Result of a workload."""

    names: Sequence[str]
    unfinished: Sequence[str]
    latencies_ms: Sequence[float]
    """Time of each object from its create response to its end in the watch."""
    failed: Sequence[str]
    first_s: float
    """Time from the first create response to the first ended object."""
    total_s: float
    """Time from the first create response to the last ended object."""

    @property
    def not_succeeded(self) -> int:
        """Number of objects that failed or did not end in time."""
        return len(self.unfinished) + len(self.failed)

    def rate_samples(self) -> list[Sample]:
        """Return the percentiles, the counts and each latency."""
        percentiles = [(P50, 0.5), (P95, 0.95), (P99, 0.99)]
        return [
            *(Sample(name, percentile(self.latencies_ms, share), "ms") for name, share in percentiles),
            *self._counts(),
            *(Sample(EACH_LATENCY, value, "ms") for value in self.latencies_ms),
        ]

    def burst_samples(self) -> list[Sample]:
        """Return the throughput, the times and the counts."""
        return [
            Sample(PER_SECOND, (len(self.names) - self.not_succeeded) / self.total_s, "1/s"),
            Sample(FIRST, self.first_s, "s"),
            Sample(LAST, self.total_s, "s"),
            *self._counts(),
        ]

    def single_samples(self) -> list[Sample]:
        """Return each latency and the counts.

        Raises:
            RuntimeError: An object did not succeed, so its latency says nothing.
        """
        if self.not_succeeded:
            raise RuntimeError(f"did not succeed: {', '.join([*self.unfinished, *self.failed])}")
        return [*(Sample(LATENCY, value, "ms") for value in self.latencies_ms), *self._counts()]

    def _counts(self) -> list[Sample]:
        return [
            Sample("asked", len(self.names), "tasks"),
            Sample("not succeeded", self.not_succeeded, "tasks"),
        ]


async def steady(client: ObjectClient, owner: str, rate: float, seconds: float) -> WorkloadResult:
    """Create objects at a constant rate, independent of their latency (open loop)."""
    names = new_names("steady", max(1, int(rate * seconds)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, name in enumerate(names):
            await asyncio.sleep(began + number / rate - loop.time())
            group.create_task(client.create(name, owner))
    return await result_of(client, names)


async def burst(client: ObjectClient, owner: str, count: int, timeout_s: float = FINISH_TIMEOUT_S) -> WorkloadResult:
    """Create objects as fast as the API server accepts them over CONNECTIONS connections."""
    names = new_names("burst", count)
    await at_once(names, lambda name: client.create(name, owner))
    return await result_of(client, names, timeout_s)


async def waves(client: ObjectClient, owner: str, count: int, size: int) -> WorkloadResult:
    """Create objects in waves of ``size`` at once; a wave begins when the one before has ended."""
    names = new_names("wave", count)
    for start in range(0, count, size):
        wave = names[start : start + size]
        await at_once(wave, lambda name: client.create(name, owner))
        await client.wait(wave, FINISH_TIMEOUT_S)
    return await result_of(client, names)


async def one_by_one(client: ObjectClient, owner: str, count: int) -> WorkloadResult:
    """Create each object after the previous one has ended (closed loop)."""
    names = new_names("single", count)
    for name in names:
        await client.create(name, owner)
        await client.wait([name], FINISH_TIMEOUT_S)
    return await result_of(client, names, 0)


async def at_once(names: Sequence[str], action: Callable[[str], Awaitable[None]]) -> None:
    """Run an action for each name as fast as possible over CONNECTIONS connections."""
    pending = iter(names)

    async def some() -> None:
        for name in pending:
            await action(name)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(some())


async def result_of(client: ObjectClient, names: Sequence[str], timeout_s: float = FINISH_TIMEOUT_S) -> WorkloadResult:
    """Wait for objects to end and return the result."""
    unfinished = await client.wait(names, timeout_s)
    timeline = client.timeline
    began = min(timeline.created[name] for name in names)
    ends = [timeline.finished[name] for name in names if name in timeline.finished]
    if not ends:
        raise RuntimeError(f"none of {len(names)} objects ended within {timeout_s:g} s")
    return WorkloadResult(
        names=names,
        unfinished=unfinished,
        latencies_ms=timeline.latencies_ms(names),
        failed=[name for name in names if timeline.outcomes.get(name) == FAILED],
        first_s=min(ends) - began,
        total_s=max(ends) - began,
    )


def new_names(prefix: str, count: int) -> list[str]:
    """Return names that this process has not used yet."""
    number = next(_numbers)
    return [f"{prefix}-{number}-{each}" for each in range(count)]
