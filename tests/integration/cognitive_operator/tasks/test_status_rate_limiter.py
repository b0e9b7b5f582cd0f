"""Status writes of waiting tasks: few while readiness flaps, and never before a result or a request."""

import json
from collections import Counter
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
from support.faults.switch import Call, Fault, Reply, Switchboard
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("crds"), pytest.mark.timeout(400)]
WAITING = 300
FLAPS = 2
REWRITES_MAX = 60
"""Writes of tasks that have a status already: 1,191 while each change of readiness wrote every task."""
TOLD_FIRST = 40


@dataclass(frozen=True)
class Proxied:
    """An operator with proxies before its API server and before its model."""

    switch: Switchboard
    model_url: str

    def status_writes(self) -> Counter[str]:
        """Return the number of status writes by task."""
        calls = [call for call in self.switch.calls("api") if is_status_write(call)]
        return Counter(call.target.split("/")[-2] for call in calls)


def is_status_write(call: Call) -> bool:
    return call.verb == "PATCH" and "/cognitivetasks/" in call.target and call.target.endswith("/status")


def is_list_of_models(call: Call) -> bool:
    return call.service == "model" and call.target.endswith("/models")


@pytest.fixture
def proxied(
    control_plane: ControlPlane, nats_server: NatsServer, without_operator: None, model: ScriptedModel, tmp_path: Path
) -> Iterator[Proxied]:
    switch = Switchboard()
    api = HttpProxy(Upstream("api", control_plane.url, control_plane.tls_context()), switch)
    before_model = HttpProxy(Upstream("model", model.url.removesuffix("/v1")), switch)
    with LoopThread() as loop:
        loop.run(api.__aenter__())
        loop.run(before_model.__aenter__())
        kubeconfig = tmp_path / "kubeconfig"
        write_proxied_kubeconfig(kubeconfig, api.url)
        settings = OperatorSettings(kubeconfig, nats_server.url, tmp_path / "operator.log")
        try:
            with OperatorProcess.start(settings):
                yield Proxied(switch, f"{before_model.url}/v1")
        finally:
            loop.run(api.__aexit__())
            loop.run(before_model.__aexit__())


def told(cluster: Cluster) -> dict[str, str]:
    """Return the reasons of the waiting tasks that have a status."""
    return {name: s["reason"] for name, s in cluster.tasks().items() if s and s["phase"] == "Queued"}


def unreachable(proxied: Proxied) -> str:
    """Return the sentence about a model server that answers 503."""
    return (
        f"{proxied.model_url}/models answers HTTP 503, expected a list of models. Check that server and the network "
        "from the operator to it, or change spec.llm."
    )


def probe_at_once(cluster: Cluster, number: int) -> None:
    """Change the agent's model settings, after which the operator asks the model's server anew."""
    cluster.patch("cagent", "flapper", {"spec": {"llm": {"temperature": 0.1 * (number + 1)}}})


def test_two_flaps_of_readiness_write_few_of_three_hundred_waiting_tasks(
    kubectl: Kubectl, proxied: Proxied, ray_server: RayServer, model: ScriptedModel
) -> None:
    cluster = Cluster(kubectl)
    cluster.apply(agent("flapper", ray_server.address, proxied.model_url, queue={"maxConcurrentTasks": 1}))
    cluster.wait_ready("flapper")
    model.script(contains="busy", is_held=True)
    cluster.apply(task("busy", "flapper", input={"error_message": "busy"}))
    eventually(lambda: model.in_flight == 1, 30.0)
    names = [f"waits-{number:03}" for number in range(WAITING)]
    bodies = [task(name, "flapper") for name in names]
    kubectl("create", "-f", "-", stdin="\n".join(json.dumps(body) for body in bodies))
    eventually(lambda: len(told(cluster)) >= TOLD_FIRST, 30.0, 0.2)
    first = set(told(cluster))
    assert set(names[: TOLD_FIRST - 10]) <= first <= set(names[: len(first) + 10]), "the head is told first"
    for number in range(FLAPS):
        fault = proxied.switch.add(Fault(is_list_of_models, reply=Reply(503)))
        probe_at_once(cluster, 2 * number)
        status, message = cluster.wait_condition("flapper", "ModelReady", "ModelUnreachable")
        assert (status, message) == ("False", unreachable(proxied)), message
        eventually(lambda: "AgentNotReady" in told(cluster).values(), 30.0, 0.5)
        names_agent = f"CognitiveAgent {kubectl.namespace}/flapper is not ready (ModelUnreachable): "
        waiting = [s["message"] for s in cluster.tasks().values() if s and s["reason"] == "AgentNotReady"]
        assert set(waiting) <= {names_agent + unreachable(proxied)}, waiting[:3]
        proxied.switch.remove(fault)
        probe_at_once(cluster, 2 * number + 1)
        cluster.wait_ready("flapper")
    eventually(lambda: set(told(cluster)) == set(names), 90.0, 1.0)
    eventually(lambda: set(told(cluster).values()) == {"WaitingForSlot"}, 60.0, 1.0)
    writes = proxied.status_writes()
    del writes["busy"]
    assert sum(writes.values()) - WAITING <= REWRITES_MAX, writes.most_common(5)


def test_the_next_request_is_published_while_a_status_write_hangs(
    kubectl: Kubectl, proxied: Proxied, ray_server: RayServer, model: ScriptedModel
) -> None:
    cluster = Cluster(kubectl)
    cluster.apply(agent("writer", ray_server.address, proxied.model_url, queue={"maxConcurrentTasks": 1}))
    cluster.wait_ready("writer")
    hangs = proxied.switch.add(Fault(lambda c: is_status_write(c) and "/first/" in c.target, silent="before"))
    cluster.apply(task("first", "writer"))
    eventually(lambda: hangs.struck, 30.0)
    cluster.apply(task("second", "writer"))
    cluster.wait_phase("second", "Succeeded")
    assert cluster.status("first") == {}
    proxied.switch.clear()
    assert len(cluster.wait_phase("first", "Succeeded")["attempts"]) == 1
    own = [cluster.get("ctask", name)["metadata"]["uid"] for name in ("first", "second")]
    calls = model.executions_of_attempts()  # a task of the test before may have one, too
    assert [calls[uid] for uid in own] == [1, 1]
