"""Two operators that elect a leader by a Lease: one works, the other takes over, however their wall clocks differ."""

import json
import os
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
PROBED_EVERY_S = 10.5
"""Kopf answers with what its probes said at most 10 s ago."""
LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/pair"
AFTER_A_KILL_S = 25.0
"""17 s until the Lease counts as abandoned, and the start of the engine on a slow machine."""
AFTER_A_STOP_S = 8.0
"""One read of the Lease, and the same start: less than the 15 s of a Lease that is not released."""
MINUTE_AHEAD = """
from datetime import UTC, datetime, timedelta

from cognitive_operator.adapters.clock import SystemClock

SystemClock.now = lambda self: (datetime.now(UTC) + timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
"""


@pytest.fixture
def pair(
    control_plane: ControlPlane, nats_server: NatsServer, without_operator: None, crds: None, tmp_path: Path
) -> Iterator[list[OperatorProcess]]:
    """Two operators that know of each other; the wall clock of the second one is a minute ahead."""
    (tmp_path / "sitecustomize.py").write_text(MINUTE_AHEAD, encoding="utf-8")
    paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))

    def settings(name: str, **env: str) -> OperatorSettings:
        env = {"COGNITIVE_PEERING": "pair", **env}
        return OperatorSettings(control_plane.kubeconfig_path, nats_server.url, tmp_path / f"{name}.log", env)

    with (
        OperatorProcess.start(settings("one")) as one,
        OperatorProcess.start(settings("two", PYTHONPATH=paths)) as two,
    ):
        yield [one, two]


def is_leading(operator: OperatorProcess) -> bool:
    return operator.metric("cognitive_operator_leading") == 1.0


def health(operator: OperatorProcess) -> Any:
    with urllib.request.urlopen(operator.health_url, timeout=LIMIT_S) as response:
        return json.load(response)


def one_leads(operators: list[OperatorProcess]) -> OperatorProcess | None:
    leading = [operator for operator in operators if is_leading(operator)]
    return leading[0] if len(leading) == 1 else None


def test_one_works_and_the_other_takes_over(
    api: ApiClient,
    kubectl: Kubectl,
    pair: list[OperatorProcess],
    ray_server: RayServer,
    model: ScriptedModel,
) -> None:
    cluster = Cluster(kubectl)
    first, second = pair
    eventually(lambda: is_leading(first), 20.0, 0.2)
    cluster.apply(agent("led", ray_server.address, model.url), task("before", "led"))
    cluster.wait_phase("before", "Succeeded", 60.0)
    assert (one_leads(pair), api.get(LEASE)["spec"]["leaseTransitions"]) == (first, 0)
    model.script(contains="through", delay_s=3.0)
    cluster.apply(task("through", "led", input={"error_message": "through"}))
    eventually(lambda: model.in_flight == 1, 10.0)
    first.kill()
    killed_s = time.monotonic()
    cluster.apply(task("after", "led"))
    cluster.wait_phase("after", "Succeeded", AFTER_A_KILL_S)
    assert time.monotonic() - killed_s > 9.0, "the Lease was held for so long, at least"
    assert cluster.wait_phase("through", "Succeeded", 30.0)["attempts"][0]["number"] == 1
    first.resume()
    time.sleep(3.0)
    assert one_leads(pair) is second
    second.stop()
    eventually(lambda: is_leading(first), AFTER_A_STOP_S, 0.2)
    cluster.apply(task("handed-over", "led"))
    cluster.wait_phase("handed-over", "Succeeded", 15.0)
    assert len(model.requests) == 4
    assert api.get(LEASE)["spec"]["leaseTransitions"] == 2
    time.sleep(PROBED_EVERY_S)
    assert health(first) == {"watchLagSeconds": 0.0}
