"""Two operators of one peering: one works, the other takes over."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controlplane import ControlPlane, Kubectl
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from support.builders.cognitive_objects import Cluster, agent, task
from support.cluster.api_client import ApiClient
from support.eventually import LIMIT_S, eventually
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
CRDS = Path(__file__).parents[4] / "charts" / "cognitive-operator" / "crds" / "kopf-peering.yaml"
PROBED_EVERY_S = 10.5
"""Kopf answers with what its probes said at most 10 s ago."""
AGREED_WITHIN_S = 3.0
"""Both know of both then."""
PEERING = """
apiVersion: kopf.dev/v1
kind: ClusterKopfPeering
metadata: {name: pair}
"""


@pytest.fixture
def pair(
    control_plane: ControlPlane, nats_server: NatsServer, without_operator: None, crds: None, tmp_path: Path
) -> Iterator[list[OperatorProcess]]:
    """Two operators that know of each other."""
    control_plane.kubectl("apply", "-f", str(CRDS))
    control_plane.kubectl("wait", "crd/clusterkopfpeerings.kopf.dev", "--for=condition=Established", "--timeout=20s")
    control_plane.kubectl.apply(PEERING)
    env = {"COGNITIVE_PEERING": "pair"}

    def settings(name: str) -> OperatorSettings:
        return OperatorSettings(control_plane.kubeconfig_path, nats_server.url, tmp_path / f"{name}.log", env)

    with OperatorProcess.start(settings("one")) as one, OperatorProcess.start(settings("two")) as two:
        yield [one, two]


def is_leading(operator: OperatorProcess) -> bool:
    with urllib.request.urlopen(operator.metrics_url, timeout=LIMIT_S) as response:
        return b"cognitive_operator_leading 1.0" in response.read()


def health(operator: OperatorProcess) -> Any:
    with urllib.request.urlopen(operator.health_url, timeout=LIMIT_S) as response:
        return json.load(response)


def one_leads(operators: list[OperatorProcess]) -> OperatorProcess | None:
    leading = [operator for operator in operators if is_leading(operator)]
    return leading[0] if len(leading) == 1 else None


def peers(api: ApiClient) -> int:
    return len(api.get("/apis/kopf.dev/v1/clusterkopfpeerings/pair").get("status", {}))


def test_one_works_and_the_other_takes_over_within_half_a_minute(
    api: ApiClient,
    kubectl: Kubectl,
    pair: list[OperatorProcess],
    ray_server: RayServer,
    model: ScriptedModel,
) -> None:
    cluster = Cluster(kubectl)
    eventually(lambda: peers(api) == len(pair), 30.0, 0.5)
    time.sleep(AGREED_WITHIN_S)
    first = eventually(lambda: one_leads(pair), 20.0, 0.5)
    (second,) = [operator for operator in pair if operator is not first]
    cluster.apply(agent("peered", ray_server.address, model.url), task("before", "peered"))
    cluster.wait_phase("before", "Succeeded", 60.0)
    assert one_leads(pair) is first
    model.script(contains="through", delay_s=3.0)
    cluster.apply(task("through", "peered", input={"error_message": "through"}))
    eventually(lambda: model.in_flight == 1, 10.0)
    first.kill()
    cluster.apply(task("after", "peered"))
    cluster.wait_phase("after", "Succeeded", 30.0)
    assert cluster.wait_phase("through", "Succeeded", 30.0)["attempts"][0]["number"] == 1
    first.resume()
    now = eventually(lambda: one_leads(pair), 20.0, 0.5)
    now.stop()
    cluster.apply(task("handed-over", "peered"))
    cluster.wait_phase("handed-over", "Succeeded", 15.0)
    assert len(model.requests) == 4
    last = second if now is first else first
    assert is_leading(last)
    time.sleep(PROBED_EVERY_S)
    assert health(last) == {"watchLagSeconds": 0.0}
