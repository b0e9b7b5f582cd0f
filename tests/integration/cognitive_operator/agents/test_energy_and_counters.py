"""Counters of an agent, which are exact over crashes, and its energy budget."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controlplane import ControlPlane, Kubectl
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from support.builders.cognitive_objects import Cluster, agent, task
from support.cluster.executor_processes import kill, running_executor
from support.eventually import eventually
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
TASKS = 20


def counters(cluster: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("cagent", name).get("status", {})
    return found


def wait_counted(cluster: Cluster, name: str, processed: int, timeout_s: float = 30.0) -> dict[str, Any]:
    def reached() -> dict[str, Any]:
        status = counters(cluster, name)
        assert status.get("tasksProcessed") == processed, json.dumps(status)
        return status

    return eventually(reached, timeout_s, 0.2)


def totals(statuses: list[dict[str, Any]]) -> tuple[int, float]:
    """Return tokens and energy of tasks with one attempt each."""
    return sum(s["usage"]["totalTokens"] for s in statuses), sum(s["energy"]["delta"] for s in statuses)


def deltas(before: dict[str, Any], after: dict[str, Any]) -> tuple[int, float]:
    tokens = after["tokens"]["total"] - before["tokens"]["total"]
    return tokens, after["energy"]["cognitiveCost"] - before["energy"]["cognitiveCost"]


@pytest.fixture
def spare(
    control_plane: ControlPlane, nats_server: NatsServer, operator_process: OperatorProcess, tmp_path: Path
) -> Iterator[OperatorProcess]:
    """A second operator beside the suite's, on the same broker."""
    settings = OperatorSettings(control_plane.kubeconfig_path, nats_server.url, tmp_path / "operator.log")
    with OperatorProcess.start(settings) as process:
        yield process


def all_done(cluster: Cluster, count: int) -> list[dict[str, Any]]:
    def done() -> list[dict[str, Any]]:
        statuses = list(cluster.tasks().values())
        phases = [status.get("phase") for status in statuses]
        assert phases.count("Succeeded") + phases.count("Failed") == count, f"phases: {phases}"
        return statuses

    return eventually(done, 90.0, 0.5)


def test_the_sums_are_exact_although_operators_are_killed(
    cluster: Cluster,
    ray_server: RayServer,
    model: ScriptedModel,
    spare: OperatorProcess,
    operator_process: OperatorProcess,
) -> None:
    retry = {"retryPolicy": {"maxRetries": 1, "backoffSeconds": 1}}
    cluster.apply(agent("sum", ray_server.address, model.url, queue={"maxConcurrentTasks": 4}, taskDefaults=retry))
    cluster.wait_ready("sum")
    model.script(contains="refused", status=400, error={"message": "no"})
    model.script(contains="twenty", delay_s=0.5)
    texts = [f"{'refused' if n % 5 == 0 else 'twenty'} {n}" for n in range(TASKS)]
    cluster.apply(*[task(f"t{n:02}", "sum", input={"error_message": text}) for n, text in enumerate(texts)])
    eventually(lambda: counters(cluster, "sum").get("tasksProcessed", 0) >= 1, 30.0)
    for operator in (operator_process, spare):
        operator.kill()
        operator.resume()
    statuses = all_done(cluster, TASKS)
    status = wait_counted(cluster, "sum", TASKS)
    assert status["tasksSucceeded"] == TASKS * 4 // 5
    assert status["successRate"] == 0.8
    tokens, cost = totals(statuses)
    assert status["tokens"]["total"] == tokens > 0
    assert status["energy"]["cognitiveCost"] == pytest.approx(cost, abs=1e-6)
    assert status["averageDurationSeconds"] > 0.3
    assert 0 < status["capabilityScore"] <= 1
    cluster.kubectl("delete", "ctask", "--all")
    for operator in (operator_process, spare):
        operator.kill()
        operator.resume()
    cluster.wait_ready("sum")
    cluster.apply(task("one-more", "sum"))
    more = wait_counted(cluster, "sum", TASKS + 1)
    assert deltas(status, more) == pytest.approx(totals([cluster.status("one-more")]))


def test_a_task_that_is_deleted_while_no_operator_lives_is_counted(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel, operator_process: OperatorProcess
) -> None:
    cluster.apply(agent("gone", ray_server.address, model.url))
    cluster.wait_ready("gone")
    wait_counted(cluster, "gone", 0)
    cluster.apply(task("t", "gone"))
    done = cluster.wait_phase("t", "Succeeded")
    operator_process.kill()
    before = counters(cluster, "gone").get("tasksProcessed")
    cluster.kubectl("delete", "ctask", "t")
    operator_process.resume()
    status = wait_counted(cluster, "gone", 1)
    assert before in (0, 1)
    assert (status["tasksSucceeded"], status["tokens"]["total"]) == (1, done["usage"]["totalTokens"])


def test_a_task_that_nobody_answered_counts_too(cluster: Cluster, ray_server: RayServer, model: ScriptedModel) -> None:
    never = {"retryPolicy": {"maxRetries": 0}}
    cluster.apply(agent("mortal", ray_server.address, model.url, taskDefaults=never))
    cluster.wait_ready("mortal")
    model.script(contains="for ever", hang=True)
    cluster.apply(task("t", "mortal", input={"error_message": "for ever"}))
    cluster.wait_phase("t", "Running")
    kill(running_executor(ray_server.address, cluster.get("cagent", "mortal")["metadata"]["uid"]))
    assert cluster.wait_phase("t", "Failed", 60.0)["reason"] == "ExecutorLost"
    status = wait_counted(cluster, "mortal", 1)
    assert (status["tasksSucceeded"], status["successRate"], status["tokens"]["total"]) == (0, 0, 0)
    assert status["averageDurationSeconds"] > 1


def test_an_agent_that_used_up_its_energy_begins_nothing_until_it_may(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    thought = len("scripted answer")
    bounded = {"budget": 2.5 * thought, "costPerCharacter": 1}
    spec = {"queue": {"maxConcurrentTasks": 1}, "energy": bounded}
    cluster.apply(agent("tired", ray_server.address, model.url, **spec))
    cluster.wait_ready("tired")
    cluster.apply(*[task(f"t{n}", "tired") for n in range(5)])
    status, message = cluster.wait_condition("tired", "Ready", "EnergyExhausted")
    assert status == "False"
    assert "The agent has used 45 of spec.energy.budget 37.5;" in message
    wait_counted(cluster, "tired", 3)
    assert sum(model.executions_of_attempts().values()) == 3
    waiting = [name for name, status in cluster.tasks().items() if status.get("phase") != "Succeeded"]
    assert len(waiting) == 2
    for name in waiting:
        queued = cluster.wait_phase(name, "Queued")
        assert queued["reason"] == "EnergyExhausted"
        assert "spec.energy.budget" in queued["message"]
    more = {"spec": {"energy": {"budget": 100 * thought}}}
    cluster.patch("cagent", "tired", more)
    for name in waiting:
        cluster.wait_phase(name, "Succeeded", 5.0)
    assert wait_counted(cluster, "tired", 5)["energy"]["cognitiveCost"] == 5 * thought


def test_the_model_is_told_of_the_agents_history_and_the_status_says_who_told(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    cluster.apply(agent("old", ray_server.address, model.url))
    cluster.wait_ready("old")
    cluster.apply(task("first", "old"))
    first = cluster.wait_phase("first", "Succeeded")
    assert first["contextSources"] == {"memory": "none", "energy": "agent", "lifecycle": "agent"}
    wait_counted(cluster, "old", 1)
    own = {"memory": {"memory_hits": 77}, "energy": {"cognitive_cost": 4242}}
    cluster.apply(task("second", "old", context=own))
    second = cluster.wait_phase("second", "Succeeded")
    assert second["contextSources"] == {"memory": "task", "energy": "task", "lifecycle": "agent"}
    prompt = " ".join(str(m["content"]) for m in model.requests[-1].body["messages"])
    assert "4242" in prompt
    assert '"memory_hits": 77' in prompt
    assert '"tasks_processed": 1' in prompt
    assert '"successful_tasks": 1' in prompt
    cluster.apply(task("third", "old"), task("bare", "old", context={"memory": {}}))
    assert cluster.wait_phase("third", "Succeeded")["contextSources"]["memory"] == "executor"
    assert cluster.wait_phase("bare", "Succeeded")["contextSources"]["memory"] == "task"
    prompts = [" ".join(str(m["content"]) for m in request.body["messages"]) for request in model.requests[-2:]]
    assert (
        sum('"recent_outcomes": [{"task_type": "failure_analysis", "outcome": "completed"' in p for p in prompts) == 1
    )


def test_kubectl_shows_how_many_succeeded(kubectl: Kubectl, cluster: Cluster, ray_server: RayServer) -> None:
    cluster.apply(agent("shown", ray_server.address, "http://127.0.0.1:9"))
    wait_counted(cluster, "shown", 0)
    header, row = kubectl("get", "cagent", "shown", "-o", "wide").splitlines()
    assert dict(zip(header.split(), row.split(), strict=True))["SUCCEEDED"] == "0"
