"""Faults that users make: rows 15, 16, 21, 25 and 33 of the table."""

import asyncio
import time
from functools import partial
from typing import Any

import pytest

from bench.host.processes import Component, resident_mb
from controlplane import KubectlError
from support.eventually import eventually
from support.faults.admin import path_of
from support.faults.evidence import Body
from support.faults.invariants import AGENT, TASK
from support.faults.switch import Fault, to
from support.faults.system import HOME, RAY, FaultSystem
from support.faults.trial import Measured, Tell, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
RELEASED_WITHIN_S = 30.0
LEASE_TTL_S = 60.0
"""A worker may renew its lease once more after its agent's finalizer was removed."""
FINISHED = 10_000
EDITED_FOR_S = 50.0
"""Longer than the lowered timeout of 10 s and the 30 s of grace that the operator gives a worker."""
EDITS: tuple[dict[str, Any], ...] = (
    {"taskDefaults": {"timeoutSeconds": 10, "queueTimeoutSeconds": 1, "retryPolicy": {"maxRetries": 0}}},
    {"queue": {"maxConcurrentTasks": 1, "maxQueuedTasks": 0}},
    {"energy": {"budget": 0.001}, "budget": {"tokensPerDay": 1}},
    {"llm": {"model": "another", "timeoutSeconds": 5, "maxTokens": 64}},
    {"execution": {"workers": 2, "concurrencyPerWorker": 1}},
    {"suspend": True},
)


def nothing_left(system: FaultSystem, uid: str) -> bool:
    left = system.leftovers(uid)
    assert not left, left
    return True


def agent_is_gone(system: FaultSystem, namespace: str, name: str) -> bool:
    return name not in system.observer.present(AGENT, namespace)


def test_row_15_a_task_deleted_while_it_runs(
    trial: Trial, system: FaultSystem, measured: Measured, subtests: pytest.Subtests
) -> None:
    system.model.script(contains="<row15-gone", hang=True)
    for agent in ("thinker", "jobber"):
        with subtests.test(agent):
            (body,) = trial.start(f"row15-gone-{agent}", agent=agent)
            eventually(lambda: system.model.in_flight == 1, 30.0)
            began_s = time.monotonic()
            system.admin.delete(TASK, HOME, f"row15-gone-{agent}")
            eventually(lambda: system.model.in_flight == 0, 15.0)
            measured(f"{agent}: stopped after", f"{time.monotonic() - began_s:.1f} s")
            eventually(partial(nothing_left, system, body["metadata"]["uid"]), 20.0, 0.5)


def test_row_15_an_agent_deleted_before_its_tasks(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    """The running attempt is stopped and uses up no retry; another agent of the same name executes the tasks."""
    with system.namespace("row15") as namespace:
        trial.namespaces.append(namespace)
        first = system.add_agent(namespace, system.agent("brief", queue={"maxConcurrentTasks": 1}))
        system.model.script(contains="<row15-runs", times=1, hang=True)
        runs, _ = trial.start("row15-runs", "row15-waits", agent="brief", namespace=namespace)
        trial.wait_calls(1)
        trial.wait_phase("Running", "row15-runs", namespace=namespace)
        began_s = time.monotonic()
        system.admin.delete(AGENT, namespace, "brief")
        eventually(lambda: agent_is_gone(system, namespace, "brief"), RELEASED_WITHIN_S)
        measured("released after", f"{time.monotonic() - began_s:.1f} s")
        eventually(lambda: system.model.in_flight == 0, 15.0)
        eventually(lambda: nothing_left(system, first["metadata"]["uid"]), LEASE_TTL_S + 10, 0.5)
        system.add_agent(namespace, system.agent("brief"))
        trial.wait_phase("Succeeded", "row15-runs", "row15-waits", namespace=namespace)
        (done,) = trial.wait_phase("Succeeded", "row15-runs", namespace=namespace)
        assert [attempt.get("errorType") for attempt in done.attempts] == ["AgentDeleted", None]
        assert trial.executions(runs) == {1: 1, 2: 1}
        trial.finish()


def test_row_15_a_namespace_deleted(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    with system.namespace("row15") as namespace:
        agent = system.add_agent(namespace, system.agent("brief"))
        system.model.script(contains="<row15-doomed", hang=True)
        bodies = trial.start(*[f"row15-doomed-{n}" for n in range(3)], agent="brief", namespace=namespace)
        trial.wait_calls(3)
        trial.gone_namespaces.append(namespace)
        began_s = time.monotonic()
    eventually(lambda: agent_is_gone(system, namespace, "brief"), RELEASED_WITHIN_S)
    eventually(lambda: system.model.in_flight == 0, 15.0)
    measured("stopped and released after", f"{time.monotonic() - began_s:.1f} s")
    eventually(lambda: not trial.observer.tasks(namespace), 30.0)
    for uid in [agent["metadata"]["uid"], *(body["metadata"]["uid"] for body in bodies)]:
        eventually(partial(nothing_left, system, uid), LEASE_TTL_S + 10, 0.5)


def test_row_15_ray_unreachable_at_deletion(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    with system.namespace("row15") as namespace:
        trial.namespaces.append(namespace)
        system.add_agent(namespace, system.agent("brief"))
        system.switch.add(Fault(to(RAY), silent="before"))
        began_s = time.monotonic()
        system.admin.delete(AGENT, namespace, "brief")
        eventually(lambda: agent_is_gone(system, namespace, "brief"), RELEASED_WITHIN_S)
        measured("released after", f"{time.monotonic() - began_s:.1f} s")
        events = system.admin("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")["items"]
        assert any(event["reason"] == "ReleasedUncleanly" for event in events)
        trial.finish()


def test_row_16_changes_with_tasks_running(trial: Trial, system: FaultSystem, tell: Tell) -> None:
    tell(a_changed_task_is_refused, trial, system)
    tell(a_changed_agent_serves_the_next_task, trial, system)


def a_changed_agent_serves_the_next_task(trial: Trial, system: FaultSystem) -> None:
    """A running attempt ends with its old settings; the next request has those of the new generation."""
    with system.namespace("row16") as namespace:
        trial.namespaces.append(namespace)
        system.add_agent(namespace, system.agent("changed"))
        system.model.script(contains="<row16-old", delay_s=6.0)
        (old,) = trial.start("row16-old", agent="changed", namespace=namespace)
        eventually(lambda: trial.executions(old), 30.0)
        change: dict[str, Any] = {"llm": {"model": "another"}, "execution": {"workers": 2}}
        system.admin.patch(AGENT, namespace, "changed", {"spec": change})
        trial.wait_phase("Succeeded", "row16-old", timeout_s=30.0, namespace=namespace)
        system.wait_ready(namespace, "changed")
        (new,) = trial.start("row16-new", agent="changed", namespace=namespace)
        trial.wait_phase("Succeeded", "row16-new", namespace=namespace)
        asked = {r.request_id.partition(".")[0]: r.body["model"] for r in system.model.requests}
        assert [asked[each["metadata"]["uid"]] for each in (old, new)] == ["changed", "another"]
        assert trial.executions(old) == trial.executions(new) == {1: 1}
        trial.finish()


def a_changed_task_is_refused(trial: Trial, system: FaultSystem) -> None:
    system.model.script(contains="<row16-same", delay_s=2.0)
    trial.start("row16-same")
    kubectl = system.servers.plane.kubectl.within(HOME)
    change = '{"spec": {"input": {"error_message": "another"}}}'
    with pytest.raises(KubectlError, match=r"spec\.input cannot be changed"):
        kubectl("patch", "ctask", "row16-same", "--type=merge", "-p", change)
    trial.wait_phase("Succeeded", "row16-same")


def test_row_33_an_agent_edited_while_attempts_run(trial: Trial, system: FaultSystem) -> None:
    """Each attempt runs on with what its request says, also after a restart of the operator."""
    system.model.script(contains="<row32", delay_s=EDITED_FOR_S)
    with system.namespace("row32") as namespace:
        trial.namespaces.append(namespace)
        modes = {"edited": "Embedded", "edited-job": "Job"}
        long: dict[str, Any] = {"taskDefaults": {"timeoutSeconds": 600}, "llm": {"timeoutSeconds": 120}}
        for name, mode in modes.items():
            system.add_agent(namespace, system.agent(name, execution={"mode": mode}, **long))
        bodies = [trial.start(f"row32-{each}", agent=each, namespace=namespace)[0] for each in modes]
        trial.wait_phase("Running", *(f"row32-{each}" for each in modes), namespace=namespace)
        for name, mode in modes.items():
            other = {"execution": {"mode": "Job" if mode == "Embedded" else "Embedded"}}
            for change in (*EDITS, other):
                system.admin.patch(AGENT, namespace, name, {"spec": change})
        system.admin("DELETE", f"/api/v1/namespaces/{namespace}/secrets/model-key")
        system.operator.kill()
        system.operator.resume()
        names = [f"row32-{each}" for each in modes]
        trial.wait_phase("Succeeded", *names, timeout_s=EDITED_FOR_S + 30.0, namespace=namespace)
        assert [trial.executions(each) for each in bodies] == [{1: 1}, {1: 1}]
        trial.finish()


def test_row_21_a_secret_absent_empty_rotated_deleted(trial: Trial, system: FaultSystem, measured: Measured) -> None:
    with system.namespace("row21") as namespace:
        trial.namespaces.append(namespace)
        (created,) = system.admin.create(namespace, system.agent("keyed"))
        system.mount_key(created["metadata"]["uid"])
        wait_model(system, namespace, "False", "SecretNotFound")
        system.add_key(namespace, " ")
        wait_model(system, namespace, "False", "SecretNotFound")
        began_s = time.monotonic()
        system.add_key(namespace)
        system.wait_ready(namespace, "keyed")
        measured("recovered after", f"{time.monotonic() - began_s:.1f} s")
        assert time.monotonic() - began_s < 60.0
        system.add_key(namespace, f"{system.key}-rotated")
        trial.start("row21-rotated", agent="keyed", namespace=namespace)
        trial.wait_phase("Succeeded", "row21-rotated", namespace=namespace)
        system.servers.plane.kubectl.within(namespace)("delete", "secret", "model-key")
        wait_model(system, namespace, "False", "SecretNotFound")
        system.add_key(namespace)
        system.wait_ready(namespace, "keyed", 60.0)
        trial.finish()


def wait_model(system: FaultSystem, namespace: str, status: str, reason: str) -> None:
    def said() -> bool:
        agent = system.observer.present(AGENT, namespace).get("keyed")
        assert agent is not None, "the observer's watch has not reported the agent yet"
        condition = agent.condition("ModelReady")
        assert (condition.get("status"), condition.get("reason")) == (status, reason), condition
        assert "model-key" in condition["message"]
        return True

    eventually(said, 60.0, 0.2)


@pytest.mark.timeout(600)
def test_row_25_ten_thousand_finished_tasks(
    trial: Trial, system: FaultSystem, in_full: None, measured: Measured
) -> None:
    """A restart of the operator writes nothing, its memory stays flat, and the deletions delay no other task."""
    with system.namespace("row25") as namespace:
        trial.gone_namespaces.append(namespace)
        bodies = [trial.body(f"row25-{n:05}", "nobody") for n in range(FINISHED)]
        system.operator.stop()
        system.loop.run(_create_finished(system, namespace, bodies), 300.0)
        before = len(trial.audited())
        began_s = time.monotonic()
        system.operator.resume()
        trial.start("row25-beside")
        trial.wait_phase("Succeeded", "row25-beside")
        measured("a new task ended after the restart in", f"{time.monotonic() - began_s:.1f} s")
        memory = resident_mb(Component("operator", system.operator.process.pid))
        measured("memory with 10,000 finished tasks", f"{memory:.0f} MB")
        assert memory < 300
        written = [write for write in trial.audited()[before:] if write.namespace == namespace]
        assert written == []
    began_s = time.monotonic()
    trial.start("row25-after")
    trial.wait_phase("Succeeded", "row25-after", timeout_s=10.0)
    measured("a new task ended after their deletion in", f"{time.monotonic() - began_s:.1f} s")


async def _create_finished(system: FaultSystem, namespace: str, bodies: list[Body]) -> None:
    pending = iter(bodies)
    path = path_of(TASK, namespace)
    says = {"type": "Failed", "status": "True", "reason": "BadRequest", "message": "Over.", "observedGeneration": 1}
    condition = says | {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    ended = {"status": {"phase": "Failed", "reason": "BadRequest", "conditions": [condition]}}

    async def some() -> None:
        for body in pending:
            await system.admin.send("POST", path, body)
            await system.admin.send("PATCH", f"{path}/{body['metadata']['name']}/status", ended)

    await asyncio.gather(*(some() for _ in range(16)))
