"""Operators that must not act: a leader that is cut off, and another installation: rows 26 and 27 of the table."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from servers.operator import OperatorProcess, OperatorSettings
from support.cluster.leftovers import on_broker
from support.eventually import eventually
from support.faults.evidence import Body
from support.faults.invariants import AGENT
from support.faults.pair import LOST, TAKEN_OVER_WITHIN_S, Pair, leads, standby_causes
from support.faults.system import API, HOME, Cut, FaultSystem
from support.faults.trial import Measured, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
DELETIONS = ("deleted from the broker", "stopping an attempt")
CUT_S = 105.0
"""Longer than the 72 s after which a cut off operator took the new leader's tasks for orphans."""
BESIDE_S = 75.0
"""Longer than the 67 s after which another installation took this one's tasks for orphans."""
LARGE = json.dumps({"thought": "t", "proposed_solution": "x" * 64 * 1024, "confidence_score": 0.5})


def deletions(log_path: Path) -> list[str]:
    """Return the log's lines about deletions."""
    lines = [line for line in log_path.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    return [line for line in lines if str(json.loads(line).get("message")) in DELETIONS]


def subjects(system: FaultSystem) -> list[str]:
    found: list[str] = system.loop.run(on_broker(system.servers.nats.url))
    return found


def large_results_are_there(system: FaultSystem, *bodies: Body) -> bool:
    """Return True if the result of the first attempt of each task is in its agent's bucket."""
    objects = [name for name in subjects(system) if name.startswith("$O.")]
    return all(any(f"{body['metadata']['uid']}.1" in name for name in objects) for body in bodies)


@pytest.mark.usefixtures("in_full")
@pytest.mark.parametrize("kind", ["refused", "vanishing"])
def test_row_26_the_leader_cut_off_from_the_api_server(
    trial: Trial, system: FaultSystem, pair: Pair, measured: Measured, kind: Cut
) -> None:
    """The other operator takes over; the old one stays, does nothing, and leads again once the other has stopped."""
    name, born = f"row26-{kind}", f"born-{kind}"
    system.model.script(contains=f"<{name}-large", content=LARGE)
    system.model.script(contains=f"<{name}-through", delay_s=CUT_S - 15.0)
    system.model.script(contains=f"<{name}-new-long", delay_s=30.0)
    bodies = trial.start(f"{name}-large", f"{name}-through", timeoutSeconds=200)
    trial.wait_phase("Succeeded", f"{name}-large")
    trial.wait_phase("Running", f"{name}-through")
    system.cut_api(API, kind)
    cut_s = time.monotonic()
    eventually(lambda: leads(pair.two), TAKEN_OVER_WITHIN_S, 0.2)
    measured(f"{kind}: taken over after", f"{time.monotonic() - cut_s:.1f} s")
    assert pair.leading == (False, True)
    assert [cause.startswith(LOST) for cause in standby_causes(pair.one)] == [True]
    created = system.add_agent(HOME, system.agent(born, execution={"concurrencyPerWorker": 4}))
    bodies += trial.start(f"{name}-large-new", f"{name}-new-long", agent=born)
    eventually(lambda: time.monotonic() - cut_s > CUT_S, CUT_S + 10.0, 1.0)
    assert {each.phase for each in trial.wait_ended(60.0)} == {"Succeeded"}
    assert (pair.leading, pair.one.process.is_running) == ((False, True), True)
    the_old_leader_comes_back(trial, system, pair, f"{name}-after")
    assert large_results_are_there(system, bodies[0], bodies[2])
    assert all(trial.executions(body) == {1: 1} for body in bodies)
    own = [body["metadata"]["uid"] for body in (created, *bodies)]
    lines = [line for each in (pair.one, pair.two) for line in deletions(each.log_path)]
    assert not [line for line in lines if any(uid in line for uid in own)]  # earlier tests leave tasks to clean up
    system.admin.delete(AGENT, HOME, born)


def the_old_leader_comes_back(trial: Trial, system: FaultSystem, pair: Pair, name: str) -> None:
    """Free its way: it stands by until the other one stops."""
    system.switch.clear()
    time.sleep(5.0)
    assert pair.leading == (False, True)
    pair.two.stop()
    eventually(lambda: leads(pair.one), TAKEN_OVER_WITHIN_S, 0.2)
    trial.start(name)
    trial.wait_phase("Succeeded", name)


@pytest.mark.usefixtures("in_full")
def test_row_27_another_installation_on_the_same_broker(trial: Trial, system: FaultSystem, tmp_path: Path) -> None:
    """The second installation has a signing key and namespaces of its own, and touches nothing of the first."""
    system.model.script(contains="<row27-large", content=LARGE)
    system.model.script(contains="<row27-long", delay_s=BESIDE_S - 15.0)
    servers = system.servers
    with system.namespace("row27") as namespace, system.without_operator():
        trial.gone_namespaces.append(namespace)
        first = replace(system.settings, env={**system.settings.env, "COGNITIVE_WATCH_NAMESPACES": HOME})
        env = {"COGNITIVE_WATCH_NAMESPACES": namespace, "COGNITIVE_SIGNING_SECRET": "another-key"}
        second = OperatorSettings(servers.plane.kubeconfig_path, servers.nats.url, tmp_path / "second.log", env)
        with OperatorProcess.start(replace(first, log_path=tmp_path / "first.log")):
            large, long = trial.start("row27-large", "row27-long", timeoutSeconds=200)
            trial.wait_phase("Succeeded", "row27-large")
            trial.wait_phase("Running", "row27-long")
            with OperatorProcess.start(second) as other:
                began_s = time.monotonic()
                system.admin.create(namespace, system.agent("refused"))
                message = eventually(lambda: ready_message(system, namespace), 60.0, 0.5)
                assert "Stream AGENT_REQUESTS on the broker belongs to installation" in message
                assert "set COGNITIVE_TAKE_OVER=" in message
                eventually(lambda: time.monotonic() - began_s > BESIDE_S, BESIDE_S + 10.0, 1.0)
                assert other.process.is_running
            assert {each.phase for each in trial.wait_ended(60.0)} == {"Succeeded"}
    assert large_results_are_there(system, large)
    assert (trial.executions(large), trial.executions(long)) == ({1: 1}, {1: 1})
    assert not deletions(second.log_path)


def ready_message(system: FaultSystem, namespace: str) -> str:
    """Return the message of the condition Ready of the agent that the broker is refused to."""
    seen = system.observer.present(AGENT, namespace).get("refused")
    return str(seen.condition("Ready").get("message", "")) if seen is not None else ""
