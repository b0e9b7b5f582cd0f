"""Faults of the broker: rows 7 and 8 of the table."""

import shutil
import time
from collections.abc import Iterator

import pytest

from support.cluster.leftovers import on_ray
from support.eventually import eventually
from support.faults.evidence import Body
from support.faults.invariants import AGENT
from support.faults.stream import REQUESTS, RESPONSES, StreamAdmin
from support.faults.system import HOME, FaultSystem, is_quick
from support.faults.trial import Measured, Tell, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.fixture
def broker_gone(system: FaultSystem) -> Iterator[float]:
    """Duration of the broker's outage in seconds; the broker is back after the test, also after a failure."""
    yield 20.0 if is_quick() else 60.0
    if not system.servers.nats.is_running:
        system.servers.nats.resume()


def test_row_07_the_broker_gone(trial: Trial, system: FaultSystem, broker_gone: float, measured: Measured) -> None:
    system.model.script(contains="<row07", delay_s=4.0)
    names = [f"row07-{n:02}" for n in range(12)]
    bodies = trial.start(*names)
    trial.wait_calls(8)
    system.servers.nats.kill()
    bodies += trial.start(*[f"row07-late-{n:02}" for n in range(4)])
    began_s = time.monotonic()
    eventually(lambda: time.monotonic() - began_s > broker_gone, broker_gone + 5, 1.0)
    assert system.operator.process.is_running
    assert system.observer.tasks(HOME)["row07-late-00"].phase == "Queued"
    system.servers.nats.resume()
    trial.postpone(broker_gone)
    back_s = time.monotonic()
    assert {each.phase for each in trial.wait_ended()} == {"Succeeded"}
    measured("gone for", f"{broker_gone:.0f} s")
    measured("all ended after its return in", f"{time.monotonic() - back_s:.1f} s")
    assert all(set(trial.executions(body).values()) == {1} for body in bodies)


def when_the_operator_starts(trial: Trial, system: FaultSystem) -> None:
    system.operator.stop()
    system.servers.nats.kill()
    trial.start("row07-operator")
    system.operator.resume()
    trial.wait_phase("Queued", "row07-operator", timeout_s=30.0)
    said = system.observer.present(AGENT, HOME)["thinker"].condition("Ready")
    assert (said["status"], said["reason"]) == ("False", "BrokerUnreachable")
    system.servers.nats.resume()
    trial.wait_phase("Succeeded", "row07-operator")


def when_an_executor_starts(trial: Trial, system: FaultSystem) -> None:
    system.loop.run(system.proxies.workers.sever())
    with system.namespace("row07") as namespace:
        trial.namespaces.append(namespace)
        system.add_key(namespace)
        (created,) = system.admin.create(namespace, system.agent("patient"))
        system.mount_key(created["metadata"]["uid"])
        trial.start("row07-executor", agent="patient", namespace=namespace)
        trial.wait_phase("Queued", "row07-executor", timeout_s=30.0, namespace=namespace)
        eventually(lambda: _jobs_of(system, created), 30.0, 0.5)
        system.loop.run(system.proxies.workers.heal())
        system.wait_ready(namespace, "patient")
        trial.wait_phase("Succeeded", "row07-executor", namespace=namespace)
        trial.finish()


def test_row_07_the_broker_gone_at_a_start(trial: Trial, system: FaultSystem, broker_gone: float, tell: Tell) -> None:
    tell(when_the_operator_starts, trial, system)
    tell(when_an_executor_starts, trial, system)


def _jobs_of(system: FaultSystem, agent: Body) -> bool:
    jobs = system.loop.run(on_ray(system.servers.ray.address))
    return any(agent["metadata"]["uid"] in job for job in jobs)


def test_row_08_an_empty_store(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, broker_gone: float, measured: Measured
) -> None:
    """Attempts that run while the store is lost end by the response that they bring, and new ones begin."""
    agents = [agent.uid for agent in system.observer.present(AGENT, HOME).values()]
    needed = {name for name in stream.names() if "OBJ_" not in name or name.removeprefix("OBJ_results-") in agents}
    system.model.script(contains="<row08-running", delay_s=4.0)
    bodies = trial.start(*[f"row08-running-{n}" for n in range(4)])
    trial.wait_calls(4)
    system.servers.nats.kill()
    shutil.rmtree(system.servers.nats.store)
    system.servers.nats.resume()
    back_s = time.monotonic()
    bodies += trial.start(*[f"row08-new-{n}" for n in range(4)])
    ended = trial.wait_ended()
    measured("all ended after its return in", f"{time.monotonic() - back_s:.1f} s")
    assert {each.phase for each in ended} == {"Succeeded"}
    eventually(lambda: stream.names() >= needed, 30.0, 0.5)  # those of other agents come with their next observation
    assert all(set(trial.executions(body).values()) == {1} for body in bodies)


def a_stream_is_deleted(trial: Trial, system: FaultSystem, stream: StreamAdmin, lost: str) -> None:
    name, before = f"row08-{lost.lower().replace('_', '-')}", len(system.model.requests)
    bodies = trial.start(*[f"{name}-{n}" for n in range(8)])
    trial.wait_calls(before + 8)
    stream.delete_stream(lost)
    bodies += trial.start(*[f"{name}-new-{n}" for n in range(4)])
    ended = trial.wait_ended()
    eventually(lambda: lost in stream.names(), 15.0, 0.5)
    assert all(each.phase == "Succeeded" or each.status["reason"] == "ResultLost" for each in ended)
    assert all(set(trial.executions(body).values()) == {1} for body in bodies)


def test_row_08_a_stream_deleted(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, subtests: pytest.Subtests
) -> None:
    """One after the other."""
    system.model.script(contains="<row08", delay_s=2.0)
    for lost in (REQUESTS, RESPONSES, "KV_claims", "KV_lease"):
        with subtests.test(lost):
            a_stream_is_deleted(trial, system, stream, lost)


def test_row_08_consumers_deleted_some_time_after_claims(
    trial: Trial, system: FaultSystem, stream: StreamAdmin
) -> None:
    """New consumers deliver every request again, also those of attempts whose claims were lost before."""
    uid = system.observer.present(AGENT, HOME)["thinker"].uid
    bodies = trial.start(*[f"row08-done-{n}" for n in range(8)])
    trial.wait_ended()
    stream.delete_stream("KV_claims")
    eventually(
        lambda: "KV_claims" in stream.names() and len(stream.contents("KV_claims", f"$KV.claims.{uid}.>")) >= 8,
        60.0,
        0.5,
    )
    system.model.script(contains="<row08-consumer", delay_s=1.0)
    bodies += trial.start(*[f"row08-consumer-{n}" for n in range(8)])
    trial.wait_calls(8 + 4)
    stream.delete_consumer(RESPONSES, "cognitive-operator")
    stream.delete_consumer(REQUESTS, uid)
    bodies += trial.start(*[f"row08-after-{n}" for n in range(4)])
    assert {each.phase for each in trial.wait_ended()} == {"Succeeded"}
    assert [trial.executions(body) for body in bodies] == [{1: 1}] * len(bodies)


def test_row_08_claims_and_the_consumer_deleted_while_no_operator_lives(
    trial: Trial, system: FaultSystem, stream: StreamAdmin, in_full: None
) -> None:
    """Attempts run on two workers meanwhile, and a new consumer gives each worker the requests of both."""
    with system.namespace("row08") as namespace:
        trial.namespaces.append(namespace)
        pair = system.add_agent(namespace, system.agent("pair", execution={"workers": 2}))
        uid = pair["metadata"]["uid"]
        system.model.script(contains="<row08-pair", delay_s=30.0)
        names = [f"row08-pair-{n}" for n in range(6)]
        bodies = trial.start(*names, agent="pair", namespace=namespace)
        trial.wait_phase("Running", *names, namespace=namespace)
        trial.wait_calls(6)
        system.operator.stop()
        stream.delete_stream("KV_claims")
        stream.delete_consumer(REQUESTS, uid)
        system.operator.resume()
        eventually(lambda: uid in stream.consumers(REQUESTS), 20.0, 0.2)
        assert system.model.in_flight == 6
        assert {each.phase for each in trial.wait_ended(namespace=namespace)} == {"Succeeded"}
        assert [trial.executions(body) for body in bodies] == [{1: 1}] * 6
        trial.finish()
