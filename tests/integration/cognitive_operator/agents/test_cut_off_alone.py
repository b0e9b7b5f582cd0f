"""An operator without an election that the API server does not answer: it stops working, and goes on afterwards."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane import ControlPlane, Kubectl
from controlplane.kubeconfig import write_proxied_kubeconfig
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import eventually
from support.faults.http_proxy import HttpProxy, Upstream
from support.faults.loop import LoopThread
from support.faults.switch import Fault, Switchboard
from support.log_lines import whole_lines
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
STANDBY_WITHIN_S = 30.0
"""20 s of silence, and a slow machine."""


@dataclass(frozen=True)
class Alone:
    """An operator with a proxy before its API server."""

    operator: OperatorProcess
    switch: Switchboard

    @property
    def is_leading(self) -> bool:
        return self.operator.metric("cognitive_operator_leading") == 1.0

    def leadership(self) -> list[tuple[str, str]]:
        """Return what the log says about the leadership."""
        lines = whole_lines(self.operator.log_path)
        found = [json.loads(line) for line in lines if '"cognitive_operator.reconcile.engine_lifecycle"' in line]
        return [(line["message"], line["cause"]) for line in found]


@pytest.fixture
def alone(
    control_plane: ControlPlane, nats_server: NatsServer, without_operator: None, crds: None, tmp_path: Path
) -> Iterator[Alone]:
    switch = Switchboard()
    proxy = HttpProxy(Upstream("api", control_plane.url, control_plane.tls_context()), switch)
    with LoopThread() as loop:
        loop.run(proxy.__aenter__())
        kubeconfig = tmp_path / "kubeconfig"
        write_proxied_kubeconfig(kubeconfig, proxy.url)
        settings = OperatorSettings(kubeconfig, nats_server.url, tmp_path / "operator.log")
        try:
            with OperatorProcess.start(settings) as operator:
                yield Alone(operator, switch)
        finally:
            loop.run(proxy.__aexit__())


def test_an_operator_that_the_api_server_does_not_answer_stands_by_and_then_goes_on(
    kubectl: Kubectl, alone: Alone, ray_server: RayServer, model: ScriptedModel
) -> None:
    cluster = Cluster(kubectl)
    cluster.apply(agent("alone", ray_server.address, model.url))
    cluster.wait_ready("alone")
    model.script(contains="through", is_held=True)
    cluster.apply(task("through", "alone", input={"error_message": "through"}))
    eventually(lambda: model.in_flight == 1, 30.0)
    alone.switch.add(Fault(lambda _: True, cut="before"))
    model.release()
    eventually(lambda: not alone.is_leading, STANDBY_WITHIN_S, 0.2)
    assert model.in_flight == 0, "the executor has ended its attempt meanwhile"
    assert cluster.status("through").get("phase") != "Succeeded"
    alone.switch.clear()
    (attempt,) = cluster.wait_phase("through", "Succeeded", 20.0)["attempts"]
    assert (attempt["number"], len(model.requests)) == (1, 1)
    assert alone.leadership() == [
        ("became leader", "the API server answers"),
        ("is standby", "the API server has not answered for 20 s"),
        ("became leader", "the API server answers"),
    ]
