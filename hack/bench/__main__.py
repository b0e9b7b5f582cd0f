"""``python -m bench``: start the system with a model that answers at once, load it, print figures beside budgets."""

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

from bench.crowd import crowd_s
from bench.figures import Figure, percentile, row_of
from bench.loads import Outcome, burst, one_by_one, steady
from bench.model import SLOW, SLOW_S, InstantModel
from bench.observe import import_seconds, raw_ray_job_seconds, resident_mb, task_writes
from bench.tasks import TaskClient, task_client
from controlplane import KubectlError
from controlplane.progress import step
from demo.llm import LLMChoice
from demo.system import System
from servers.errors import ServerError

WARM, JOBS, CROWD = "warm", "jobs", "crowd"
AT_ONCE = 100
CALLS = 50
RATES = (10.0, 20.0, 30.0)


def main() -> int:
    """Run the command line; the exit code does not depend on the figures."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each steady rate lasts")
    parser.add_argument("--burst", type=int, default=1000, help="how many tasks are created at once")
    parser.add_argument("--jobs", type=int, default=3, help="how many tasks run in Job mode, one by one")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        figures = _measure(arguments)
    except (ServerError, KubectlError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    _print(figures)
    return 0


def _measure(arguments: argparse.Namespace) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="cognitive-bench-") as folder:
        directory = Path(folder)
        with InstantModel(directory / "model.log") as model:
            choice = LLMChoice("openaiCompatible", "scripted", model.endpoint)
            with System(directory, choice) as system:
                idle = resident_mb(system.parts.operator.process.pid)
                _apply_agents(system)
                figures = asyncio.run(_load(system, model, arguments))
    return [
        *figures,
        Figure("operator: import", import_seconds("cognitive_operator.bootstrap"), 1, "s"),
        Figure("operator: memory idle", idle, 120, "MB"),
    ]


def _apply_agents(system: System) -> None:
    kubectl, addresses = system.kubectl, system.addresses
    crowd = {"execution": {"concurrencyPerWorker": AT_ONCE}, "queue": {"maxConcurrentTasks": AT_ONCE}}
    for name, model, more in (
        (WARM, addresses.model, {}),
        (JOBS, addresses.model, {"execution": {"mode": "Job"}}),
        (CROWD, SLOW, crowd),
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


async def _load(system: System, model: InstantModel, arguments: argparse.Namespace) -> list[Figure]:
    async with task_client(system.parts.plane) as client:
        await one_by_one(client, WARM, 5)  # connections and code are warm from here on
        figures = await _overhead(client, model)
        figures += await _at_once(client, system)
        figures += await _steady(client, system, arguments.seconds)
        figures += await _burst(client, model, arguments.burst)
        figures += await _jobs(client, system, arguments.jobs)
    return figures


async def _overhead(client: TaskClient, model: InstantModel) -> list[Figure]:
    with step(f"{CALLS} calls of the model, and {CALLS} tasks one by one"):
        call_ms = await asyncio.to_thread(model.call_ms, CALLS)
        outcome = await one_by_one(client, WARM, CALLS, "overhead")
    took = [client.timeline.statuses[name]["durationSeconds"] * 1000 for name in outcome.names]
    return [Figure("executor: added to a call of the model, median", statistics.median(took) - call_ms, 5, "ms")]


async def _at_once(client: TaskClient, system: System) -> list[Figure]:
    uid, endpoint = _uid(system, CROWD), system.addresses.endpoint
    with step(f"{AT_ONCE} requests at once to one executor, with a model that takes {SLOW_S:g} s"):
        alone_s = await crowd_s(system.parts.nats.url, uid, endpoint, SLOW, AT_ONCE)
    with step(f"{AT_ONCE} tasks at once with a model that takes {SLOW_S:g} s"):
        outcome = await burst(client, [CROWD], AT_ONCE, connections=8)
    name = f"{AT_ONCE} at once, model of {SLOW_S:g} s"
    return [
        Figure(f"{name}: first request to last result", alone_s, SLOW_S + 0.5, "s"),
        Figure(f"{name}: first create to last Succeeded", outcome.total_s, SLOW_S + 1, "s"),
    ]


def _uid(system: System, agent: str) -> str:
    return system.kubectl("get", "cagent", agent, "--output=jsonpath={.metadata.uid}").strip()


async def _steady(client: TaskClient, system: System, seconds: float) -> list[Figure]:
    figures: list[Figure] = []
    names: list[str] = []
    for rate in RATES:
        with step(f"{rate:g} tasks a second for {seconds:g} s"):
            outcome = await steady(client, WARM, rate, seconds)
        names += outcome.names
        figures += [
            Figure(f"{rate:g}/s: create to Succeeded, p50", percentile(outcome.latencies_ms, 0.5), 30, "ms"),
            Figure(f"{rate:g}/s: create to Succeeded, p99", percentile(outcome.latencies_ms, 0.99), 100, "ms"),
            Figure(f"{rate:g}/s: not succeeded", _not_succeeded(outcome), 0, "tasks"),
        ]
    writes = task_writes(system.parts.plane.audit_log_path)
    return [*figures, Figure("most writes to one task object", max(writes[name] for name in names), 3, "writes")]


async def _burst(client: TaskClient, model: InstantModel, count: int) -> list[Figure]:
    before = sum(model.executions().values())
    with step(f"{count} tasks at once over 8 connections"):
        outcome = await burst(client, [WARM], count, connections=8)
    calls = sum(model.executions().values()) - before
    return [
        Figure(
            f"{count} at once: throughput", len(outcome.latencies_ms) / outcome.total_s, 150, "tasks/s", at_least=True
        ),
        Figure(f"{count} at once: first one done", outcome.first_s, 1, "s"),
        Figure(f"{count} at once: not succeeded", _not_succeeded(outcome), 0, "tasks"),
        Figure(f"{count} at once: model calls more than tasks", calls - count, 0, "calls"),
    ]


async def _jobs(client: TaskClient, system: System, count: int) -> list[Figure]:
    with step(f"{count} tasks in Job mode, and as many Ray jobs that do nothing"):
        raw = [await asyncio.to_thread(raw_ray_job_seconds, system.parts.ray, number) for number in range(count)]
        outcome = await one_by_one(client, JOBS, count)
    took = statistics.median(outcome.latencies_ms or [float("inf")]) / 1000
    return [Figure("Job mode: create to Succeeded, median", took, statistics.median(raw) + 0.3, "s")]


def _not_succeeded(outcome: Outcome) -> int:
    return len(outcome.unfinished) + len(outcome.failed)


def _print(figures: Sequence[Figure]) -> None:
    table = Table("what", "measured", "budget", "kept")
    for figure in figures:
        table.add_row(*row_of(figure), style="" if figure.is_kept else "red")
    Console(width=None if sys.stdout.isatty() else 100).print(table)


if __name__ == "__main__":
    sys.exit(main())
