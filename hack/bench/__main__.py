"""``python -m bench``: run the system with an instant model under load and print measurements and budgets."""

import argparse
import asyncio
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.direct_requests import direct_requests_s
from bench.measurements import Measurement, percentile, row_of
from bench.model import SLOW, SLOW_S, InstantModel
from bench.system_metrics import import_seconds, raw_ray_job_seconds, resident_mb, task_writes
from bench.tasks import TaskClient, task_client
from bench.workloads import WorkloadResult, burst, one_by_one, steady
from controlplane import KubectlError
from controlplane.progress import step
from demo.llm import LLMChoice
from demo.system import System
from servers.errors import ServerError

WARM, JOBS, CONCURRENT = "warm", "jobs", "concurrent"
AT_ONCE = 100
CALLS = 50
RATES = (10.0, 20.0, 30.0)


def main() -> int:
    """Run the benchmarks; a budget that is not met does not change the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="duration of each steady rate in seconds")
    parser.add_argument("--burst", type=int, default=1000, help="number of tasks created at once")
    parser.add_argument("--jobs", type=int, default=3, help="number of tasks in Job mode, one after another")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        measurements = _measure(arguments)
    except (ServerError, KubectlError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    _print(measurements)
    return 0


def _measure(arguments: argparse.Namespace) -> list[Measurement]:
    with tempfile.TemporaryDirectory(prefix="cognitive-bench-") as folder:
        directory = Path(folder)
        with InstantModel(directory / "model.log") as model:
            choice = LLMChoice("openaiCompatible", "scripted", model.endpoint)
            with System(directory, choice) as system:
                idle = resident_mb(system.components.operator.process.pid)
                _apply_agents(system)
                measurements = asyncio.run(_load(system, model, arguments))
    return [
        *measurements,
        Measurement("operator: import time", import_seconds("cognitive_operator.bootstrap"), 1, "s"),
        Measurement("operator: idle memory (RSS)", idle, 120, "MB"),
    ]


def _apply_agents(system: System) -> None:
    kubectl, addresses = system.kubectl, system.addresses
    limits = {"execution": {"concurrencyPerWorker": AT_ONCE}, "queue": {"maxConcurrentTasks": AT_ONCE}}
    for name, model, more in (
        (WARM, addresses.model, {}),
        (JOBS, addresses.model, {"execution": {"mode": "Job"}}),
        (CONCURRENT, SLOW, limits),
    ):
        llm = {"provider": addresses.provider, "model": model, "endpoint": addresses.endpoint}
        spec = {"llm": llm, "ray": {"address": addresses.ray}, **more}
        kubectl.apply(
            json.dumps(
                {
                    "apiVersion": "cognitive.seedcore.io/v1alpha1",
                    "kind": "CognitiveAgent",
                    "metadata": {"name": name},
                    "spec": spec,
                }
            )
        )
    with step("Waiting for a warm executor"):
        kubectl("wait", "cagent", "--all", "--for=condition=Ready", "--timeout=50s")


async def _load(system: System, model: InstantModel, arguments: argparse.Namespace) -> list[Measurement]:
    async with task_client(system.components.plane) as client:
        await one_by_one(client, WARM, 5)  # warms up connections and code
        measurements = await _overhead(client, model)
        measurements += await _at_once(client, system)
        measurements += await _steady(client, system, arguments.seconds)
        measurements += await _burst(client, model, arguments.burst)
        measurements += await _jobs(client, system, arguments.jobs)
    return measurements


async def _overhead(client: TaskClient, model: InstantModel) -> list[Measurement]:
    with step(f"Measuring {CALLS} direct model calls and {CALLS} tasks, one after another"):
        call_ms = await asyncio.to_thread(model.call_ms, CALLS)
        result = await one_by_one(client, WARM, CALLS, "overhead")
    took = [client.timeline.statuses[name]["durationSeconds"] * 1000 for name in result.names]
    return [Measurement("executor overhead per model call, median", statistics.median(took) - call_ms, 5, "ms")]


async def _at_once(client: TaskClient, system: System) -> list[Measurement]:
    uid, endpoint = _uid(system, CONCURRENT), system.addresses.endpoint
    with step(f"Publishing {AT_ONCE} requests at once to one executor, model latency {SLOW_S:g} s"):
        direct_s = await direct_requests_s(system.components.nats.url, uid, endpoint, SLOW, AT_ONCE)
    with step(f"Creating {AT_ONCE} tasks at once, model latency {SLOW_S:g} s"):
        result = await burst(client, [CONCURRENT], AT_ONCE, connections=8)
    name = f"{AT_ONCE} at once, model latency {SLOW_S:g} s"
    return [
        Measurement(f"{name}: first request to last result", direct_s, SLOW_S + 0.5, "s"),
        Measurement(f"{name}: first create to last Succeeded", result.total_s, SLOW_S + 1, "s"),
    ]


def _uid(system: System, agent: str) -> str:
    return system.kubectl("get", "cagent", agent, "--output=jsonpath={.metadata.uid}").strip()


async def _steady(client: TaskClient, system: System, seconds: float) -> list[Measurement]:
    measurements: list[Measurement] = []
    names: list[str] = []
    for rate in RATES:
        with step(f"Creating {rate:g} tasks/s for {seconds:g} s"):
            result = await steady(client, WARM, rate, seconds)
        names += result.names
        measurements += [
            Measurement(f"{rate:g}/s: create to Succeeded, p50", percentile(result.latencies_ms, 0.5), 30, "ms"),
            Measurement(f"{rate:g}/s: create to Succeeded, p99", percentile(result.latencies_ms, 0.99), 100, "ms"),
            Measurement(f"{rate:g}/s: not succeeded", _not_succeeded(result), 0, "tasks"),
        ]
    writes = task_writes(system.components.plane.audit_log_path)
    return [
        *measurements,
        Measurement("maximum writes to one task object", max(writes[name] for name in names), 3, "writes"),
    ]


async def _burst(client: TaskClient, model: InstantModel, count: int) -> list[Measurement]:
    before = sum(model.executions().values())
    with step(f"Creating {count} tasks at once over 8 connections"):
        result = await burst(client, [WARM], count, connections=8)
    calls = sum(model.executions().values()) - before
    return [
        Measurement(
            f"{count} at once: throughput", len(result.latencies_ms) / result.total_s, 150, "tasks/s", at_least=True
        ),
        Measurement(f"{count} at once: create to first Succeeded", result.first_s, 1, "s"),
        Measurement(f"{count} at once: not succeeded", _not_succeeded(result), 0, "tasks"),
        Measurement(f"{count} at once: model calls in excess of tasks", calls - count, 0, "calls"),
    ]


async def _jobs(client: TaskClient, system: System, count: int) -> list[Measurement]:
    with step(f"Running {count} tasks in Job mode and {count} empty Ray jobs"):
        raw = [await asyncio.to_thread(raw_ray_job_seconds, system.components.ray, number) for number in range(count)]
        result = await one_by_one(client, JOBS, count)
    took = statistics.median(result.latencies_ms or [float("inf")]) / 1000
    return [Measurement("Job mode: create to Succeeded, median", took, statistics.median(raw) + 0.3, "s")]


def _not_succeeded(result: WorkloadResult) -> int:
    return len(result.unfinished) + len(result.failed)


def _print(measurements: Sequence[Measurement]) -> None:
    table = Table("metric", "measured", "budget", "met")
    for measurement in measurements:
        table.add_row(*row_of(measurement), style="" if measurement.is_met else "red")
    Console(width=None if sys.stdout.isatty() else 100).print(table)


if __name__ == "__main__":
    sys.exit(main())
