"""Kill one part in the middle of twenty tasks: none is lost, no attempt runs twice."""

from collections.abc import Iterator
from pathlib import Path

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
AT_ONCE = 4


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[NatsServer]:
    """A nats-server of the test's own, which it may kill."""
    with NatsServer.start() as server:
        yield server


@pytest.fixture
def operator(
    control_plane: ControlPlane, crds: None, broker: NatsServer, tmp_path: Path, operator_process: OperatorProcess
) -> Iterator[OperatorProcess]:
    """An operator of the test's own on that broker; the suite's operator is away meanwhile."""
    operator_process.stop()
    settings = OperatorSettings(control_plane.kubeconfig_path, broker.url, tmp_path / "operator.log")
    with OperatorProcess.start(settings) as process:
        yield process
    operator_process.resume()


@pytest.fixture
def busy(operator: OperatorProcess, ray_server: RayServer, kubectl: Kubectl, model: ScriptedModel) -> Iterator[Cluster]:
    """Twenty tasks of half a second each, four at a time, a few of which are done."""
    cluster = Cluster(kubectl)
    retry = {"retryPolicy": {"maxRetries": 3, "backoffSeconds": 1}}
    cluster.apply(
        agent("busy", ray_server.address, model.url, queue={"maxConcurrentTasks": AT_ONCE}, taskDefaults=retry)
    )
    cluster.wait_ready("busy")
    model.script(contains="twenty", delay_s=0.5)
    cluster.apply(*[task(f"t{n:02}", "busy", input={"error_message": f"twenty {n}"}) for n in range(TASKS)])
    eventually(lambda: len(model.requests) >= 6, 30.0)
    yield cluster
    cluster.kubectl("delete", "ctask,cagent", "--all", "--timeout=60s")


def all_succeed(cluster: Cluster, timeout_s: float) -> None:
    def done() -> bool:
        phases = [status.get("phase") for status in cluster.tasks().values()]
        assert phases.count("Succeeded") == TASKS, f"phases: {phases}"
        return True

    eventually(done, timeout_s, 0.5)


def recorded_attempts(cluster: Cluster) -> int:
    return sum(len(status["attempts"]) for status in cluster.tasks().values())


def test_the_operator_killed(busy: Cluster, operator: OperatorProcess, model: ScriptedModel) -> None:
    operator.kill()
    operator.resume()
    all_succeed(busy, 60.0)
    assert set(model.executions.values()) == {1}
    assert len(model.executions) == TASKS == recorded_attempts(busy)


def test_the_broker_killed(busy: Cluster, broker: NatsServer, model: ScriptedModel) -> None:
    broker.kill()
    broker.resume()
    all_succeed(busy, 90.0)
    assert set(model.executions.values()) == {1}
    assert len(model.executions) == recorded_attempts(busy)


def test_the_executor_killed(busy: Cluster, ray_server: RayServer, model: ScriptedModel) -> None:
    executor = running_executor(ray_server.address, busy.get("cagent", "busy")["metadata"]["uid"])
    eventually(lambda: model.in_flight == AT_ONCE)  # every attempt that was claimed has called the model
    kill(executor)
    all_succeed(busy, 120.0)
    assert set(model.executions.values()) == {1}
    statuses = busy.tasks().values()
    lost = [a for status in statuses for a in status["attempts"] if a["outcome"] == "Lost"]
    assert 1 <= len(lost) <= AT_ONCE
    assert {a["errorType"] for a in lost} == {"ExecutorLost"}
    assert len(model.executions) == recorded_attempts(busy) == TASKS + len(lost)


def test_a_broker_that_is_away_is_named_and_waited_for(
    broker: NatsServer, operator: OperatorProcess, ray_server: RayServer, kubectl: Kubectl, model: ScriptedModel
) -> None:
    operator.stop()
    broker.stop()
    operator.resume()
    cluster = Cluster(kubectl)
    cluster.apply(agent("patient", ray_server.address, model.url), task("t", "patient"))
    status, message = cluster.wait_condition("patient", "Ready", "BrokerUnreachable")
    assert status == "False"
    assert broker.url.removeprefix("nats://") in message
    assert cluster.wait_phase("t", "Queued")["reason"] == "AgentNotReady"
    broker.resume()
    cluster.wait_ready("patient")
    assert len(cluster.wait_phase("t", "Succeeded")["attempts"]) == 1
    cluster.kubectl("delete", "ctask,cagent", "--all", "--timeout=60s")
