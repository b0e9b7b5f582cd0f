"""The operator at work: API server, broker, Ray, a scripted model, and one warm agent for all tests."""

from collections.abc import Iterator

import pytest

from controlplane import ControlPlane, Kubectl
from servers.operator import OperatorProcess
from support.builders.cognitive_objects import Cluster, agent
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

HOME = "thinkers"


@pytest.fixture(scope="session")
def model_server() -> Iterator[ScriptedModel]:
    """A scripted OpenAI-compatible server."""
    with ScriptedModel() as server:
        yield server


@pytest.fixture(scope="session")
def home(
    control_plane: ControlPlane, operator_process: OperatorProcess, ray_server: RayServer, model_server: ScriptedModel
) -> Cluster:
    """A namespace with two agents that are ready: ``thinker`` (Embedded) and ``jobber`` (Job)."""
    control_plane.kubectl("create", "namespace", HOME)
    cluster = Cluster(control_plane.kubectl.within(HOME))
    defaults = {"retryPolicy": {"maxRetries": 2, "backoffSeconds": 1}}
    cluster.apply(
        agent("thinker", ray_server.address, model_server.url, taskDefaults=defaults),
        agent(
            "jobber", ray_server.address, model_server.url, execution={"mode": "Job"}, queue={"maxConcurrentTasks": 2}
        ),
    )
    cluster.wait_ready("thinker")
    cluster.wait_ready("jobber")
    return cluster


@pytest.fixture
def model(model_server: ScriptedModel) -> Iterator[ScriptedModel]:
    """The scripted model, without scripts and counts of earlier tests."""
    model_server.reset()
    yield model_server
    model_server.reset()


@pytest.fixture
def cluster(kubectl: Kubectl, operator_process: OperatorProcess) -> Cluster:
    """A namespace of the test's own."""
    return Cluster(kubectl)
