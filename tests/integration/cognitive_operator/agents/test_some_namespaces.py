"""An operator of some namespaces, with the rights that the chart grants: one of them goes away."""

import json
import os
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from controlplane import ControlPlane, KubectlError
from controlplane.kubeconfig import write_proxied_kubeconfig
from helm import Helm, find_helm
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import eventually
from support.faults.http_proxy import HttpProxy, Upstream
from support.faults.loop import LoopThread
from support.faults.switch import Switchboard
from support.log_lines import whole_lines
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("crds", "without_operator")]
CHART = Path(__file__).parents[4] / "charts" / "cognitive-operator"
SYSTEM = "cognitive-system"
USER = f"system:serviceaccount:{SYSTEM}:cognitive-operator"
RIGHTS = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy")
LOST_WITHIN_S = 45.0
"""The documented 30 s, and a slow machine."""
FOUND_WITHIN_S = 25.0
"""The documented 15 s, and a slow machine."""
GONE_WITHIN_S = 60.0


@dataclass(frozen=True)
class Narrow:
    """An operator of three namespaces, each of which has a ready agent named ``sre``."""

    plane: ControlPlane
    operator: OperatorProcess
    names: tuple[str, str, str]
    granted: list[dict[str, object]]

    def cluster(self, place: int) -> Cluster:
        return Cluster(self.plane.kubectl.within(self.names[place]))

    def is_available(self, place: int) -> bool:
        return self.operator.metric("cognitive_operator_namespace_available", namespace=self.names[place]) == 1.0

    def readiness(self) -> str:
        with urllib.request.urlopen(self.operator.metrics_url.replace("/metrics", "/readyz"), timeout=10) as answer:
            return str(answer.read().decode())

    def log(self, message: str) -> list[dict[str, str]]:
        lines = whole_lines(self.operator.log_path)
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if line["message"].startswith(message)]

    def grant(self) -> None:
        self.plane.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": self.granted})
        )

    def revoke(self, place: int) -> None:
        self.plane.kubectl.within(self.names[place])("delete", "rolebinding", "cognitive-operator-agents")

    def is_gone(self, place: int) -> bool:
        return not self.plane.kubectl("get", "namespace", self.names[place], "--ignore-not-found").strip()


@pytest.fixture(scope="module")
def narrow(
    control_plane: ControlPlane,
    ray_server: RayServer,
    model_server: ScriptedModel,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Narrow]:
    program = find_helm()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("helm is absent: `make helm` builds it")
        pytest.skip("helm is absent: `make helm` builds it")
    names = tuple(f"narrow-{letter}-{uuid.uuid4().hex[:6]}" for letter in "abc")
    for name in (SYSTEM, *names):
        control_plane.kubectl.apply(
            yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        )
    rendered = Helm(program).render(CHART, f"--set=watchNamespaces={{{','.join(names)}}}", "--set=rbac.aggregate=false")
    granted = [
        item for item in rendered if item["kind"].removesuffix("Binding") in {k.removesuffix("Binding") for k in RIGHTS}
    ]
    directory = tmp_path_factory.mktemp("narrow")
    with ExitStack() as stack:
        loop = stack.enter_context(LoopThread())
        upstream = Upstream("api", control_plane.url, control_plane.tls_context(), {"Impersonate-User": USER})
        proxy = HttpProxy(upstream, Switchboard())
        loop.run(proxy.__aenter__())
        stack.callback(lambda: loop.run(proxy.__aexit__()))
        write_proxied_kubeconfig(directory / "kubeconfig", proxy.url)
        broker = stack.enter_context(NatsServer.start())
        env = {"COGNITIVE_NAMESPACE": SYSTEM, "COGNITIVE_WATCH_NAMESPACES": ",".join(names)}
        settings = OperatorSettings(directory / "kubeconfig", broker.url, directory / "operator.log", env)
        (a, b, c) = names
        made = Narrow(control_plane, OperatorProcess(settings), (a, b, c), granted)
        made.grant()
        made.operator.resume()
        stack.callback(made.operator.stop)
        for place in range(3):
            made.cluster(place).apply(agent("sre", ray_server.address, model_server.url))
        for place in range(3):
            made.cluster(place).wait_ready("sre")
        yield made
        for place in range(3):
            if not made.is_gone(place):
                made.cluster(place).kubectl.delete("cagent", "--all")
                control_plane.kubectl("delete", "namespace", names[place], "--wait=false")


def test_the_right_to_patch_agents_changes_the_finalizer_and_nothing_else(narrow: Narrow) -> None:
    kubectl = narrow.cluster(0).kubectl
    for change, expected in (
        ({"spec": {"systemPrompt": "another"}}, "may not change the spec"),
        ({"metadata": {"labels": {"a": "b"}}}, "may not change the labels, annotations or owners"),
        ({"metadata": {"finalizers": ["example.com/other"]}}, "only its own finalizer, cognitive.seedcore.io/executor"),
    ):
        with pytest.raises(KubectlError, match=expected):
            kubectl("patch", "cagent", "sre", "--type=merge", f"--as={USER}", "-p", json.dumps(change))
    kubectl("patch", "cagent", "sre", "--type=merge", "-p", '{"metadata":{"labels":{"user":"may"}}}')


def test_a_namespace_whose_rights_are_taken_holds_up_no_other_and_goes_on_when_they_are_back(narrow: Narrow) -> None:
    first, second = narrow.cluster(0), narrow.cluster(1)
    narrow.revoke(0)
    eventually(lambda: not narrow.is_available(0), LOST_WITHIN_S, 0.5)
    first.apply(task("waiting", "sre"))
    second.apply(task("beside", "sre"))
    second.wait_phase("beside", "Succeeded")
    assert narrow.is_available(1)
    assert f"namespace {narrow.names[0]} is lost, its tasks wait: " in narrow.readiness()
    assert "grant the operator its rights there again, or remove the namespace" in narrow.readiness()
    (line,) = narrow.log("namespace lost")
    assert line["namespace"] == narrow.names[0]
    assert f'in the namespace "{narrow.names[0]}"' in line["cause"]

    narrow.operator.stop()
    narrow.operator.resume()
    second.apply(task("after-the-restart", "sre"))
    second.wait_phase("after-the-restart", "Succeeded")
    assert first.status("waiting") == {}

    narrow.grant()
    eventually(lambda: narrow.is_available(0), FOUND_WITHIN_S, 0.5)
    first.wait_phase("waiting", "Succeeded")
    assert narrow.readiness() == "ok\n"
    assert not narrow.log("restarting: the API server refuses a watch")


def test_a_deleted_namespace_goes_although_its_role_binding_goes_first(narrow: Narrow) -> None:
    narrow.plane.kubectl("delete", "namespace", narrow.names[2], "--wait=false")
    eventually(lambda: narrow.is_gone(2), GONE_WITHIN_S, 0.5)
    narrow.cluster(1).apply(task("after-the-deletion", "sre"))
    narrow.cluster(1).wait_phase("after-the-deletion", "Succeeded")


def test_a_namespace_that_is_deleted_after_its_rights_were_taken_goes_too(narrow: Narrow) -> None:
    """The namespace's watches have ended: the deletion of the agent is found by a read of the agent."""
    narrow.revoke(0)
    eventually(lambda: not narrow.is_available(0), LOST_WITHIN_S, 0.5)
    narrow.plane.kubectl("delete", "namespace", narrow.names[0], "--wait=false")
    eventually(lambda: narrow.is_gone(0), GONE_WITHIN_S, 0.5)
