"""Agents whose Ray jobs cannot reach the broker say what they could not reach, and recover by themselves."""

from collections.abc import Iterator

import pytest

from controlplane import ControlPlane
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from servers.ports import free_ports
from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import eventually
from support.ray_double.server import RayDouble
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
WAIT_S = "1"


@pytest.fixture(scope="module")
def broker_url() -> str:
    """The URL of the broker on Ray's nodes, at which nothing listens."""
    (port,) = free_ports(1)
    return f"nats://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def cut_off_operator(
    control_plane: ControlPlane,
    without_operator: None,
    crds: None,
    broker_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OperatorProcess]:
    """An operator that reaches its broker, which Ray's nodes do not."""
    folder, env = tmp_path_factory.mktemp("cut-off"), {"COGNITIVE_RAY_NATS_URL": broker_url}
    with NatsServer.start() as broker:
        settings = OperatorSettings(control_plane.kubeconfig_path, broker.url, folder / "operator.log", env)
        with OperatorProcess.start(settings) as process:
            yield process


@pytest.fixture(scope="module")
def hasty_ray() -> Iterator[RayDouble]:
    """Ray nodes on which jobs wait a second for the broker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COGNITIVE_BROKER_WAIT_S", WAIT_S)
        ray = RayDouble()
    with ray:
        ray.wait_until_ready()
        yield ray


@pytest.fixture
def cluster_alone(cut_off_operator: OperatorProcess, control_plane: ControlPlane, namespace: str) -> Iterator[Cluster]:
    found = Cluster(control_plane.kubectl.within(namespace))
    yield found
    found.kubectl("delete", "cagent", "--all", "--timeout=60s")


def cause(url: str) -> str:
    return f"No connection to the broker at {url}: Connection refused. Check that the Ray cluster can reach that URL: "


def test_an_embedded_agent_names_the_broker_that_its_executor_does_not_reach(
    cluster_alone: Cluster, hasty_ray: RayDouble, model: ScriptedModel, broker_url: str
) -> None:
    cluster_alone.apply(agent("warm", hasty_ray.address, model.url), task("waits", "warm"))
    status, message = cluster_alone.wait_condition("warm", "ExecutorReady", "BrokerUnreachable")
    assert (status, cause(broker_url) in message) == ("False", True)
    assert "the operator's COGNITIVE_RAY_NATS_URL, name resolution and network policies." in message
    assert cluster_alone.condition("warm", "Ready")[:2] == ("False", "BrokerUnreachable")

    def told() -> bool:
        found = cluster_alone.status("waits")
        assert (found["phase"], cause(broker_url) in found["message"]) == ("Queued", True), found
        return True

    eventually(told, 45)  # a waiting task tells a new cause of the same reason every 30 s
    assert cluster_alone.status("waits")["reason"] == "AgentNotReady"


def test_an_agent_in_job_mode_names_it_and_its_tasks_use_up_no_retry(
    cluster_alone: Cluster, hasty_ray: RayDouble, model: ScriptedModel, broker_url: str
) -> None:
    tasks = [task(f"waits-{number}", "jobs", retryPolicy={"maxRetries": 0}) for number in range(4)]
    settings = {"execution": {"mode": "Job"}, "queue": {"maxConcurrentTasks": 2}}
    cluster_alone.apply(agent("jobs", hasty_ray.address, model.url, **settings), *tasks)
    status, message = cluster_alone.wait_condition("jobs", "ExecutorReady", "BrokerUnreachable")
    assert (status, cause(broker_url) in message) == ("False", True)

    def told() -> bool:
        waiting = [each for each in cluster_alone.tasks().values() if each.get("phase") == "Queued"]
        assert [cause(broker_url) in each["message"] for each in waiting] == [True] * 4, waiting
        return True

    eventually(told, 45)
    attempts = [each.get("attempts", []) for each in cluster_alone.tasks().values()]
    assert 1 <= sum(len(each) for each in attempts) <= 3, "the queue stayed open"
    assert {end["errorType"] for each in attempts for end in each} == {"BrokerUnreachable"}
