"""This project and KubeRay on the cluster of KUBECONFIG, with the same Ray cluster.

The operator, its broker and the model run as processes of this machine. The operator makes a Ray cluster of one pod for
the agent EMBEDDED. RayJobs and the other agents use the same one.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.experiment import SkippedError
from bench.kube.api_server import ApiServer, api_server_of
from bench.systems.model import InstantModel
from bench.workloads.agents import EMBEDDED, Agents
from controlplane import Kubectl
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings

NAMESPACE = "cognitive-bench"
CRDS = Path(__file__).parents[3] / "crds"
HEAD: dict[str, Any] = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "4Gi"}}
INSTALLED = ("get", "deployments", "--all-namespaces", "--selector=app.kubernetes.io/name=cognitive-operator")


@dataclass(frozen=True)
class ClusterSystem:
    """The running system on the cluster."""

    api: ApiServer
    kubectl: Kubectl
    agents: Agents
    """Agents of the Ray cluster that exists."""
    ray_cluster: str
    namespace: str = NAMESPACE

    @property
    def dashboard(self) -> str:
        """URL of Ray's dashboard, through the name service of the cluster."""
        service = f"{self.ray_cluster}-head-svc"
        head = self.kubectl("get", "service", service, "--output=jsonpath={.spec.clusterIP}").strip()
        if head in ("", "None"):  # a headless service: the address of the pod
            head = self.kubectl("get", "endpoints", service, "--output=jsonpath={.subsets[0].addresses[0].ip}").strip()
        return f"http://{head}:8265"


@contextmanager
def cluster_system() -> Iterator[ClusterSystem]:
    """Install the CRDs and start everything in NAMESPACE; delete the namespace at the end.

    Raises:
        SkippedError: There is no cluster that may be changed, or it lacks KubeRay, or it has an operator already.
    """
    kubectl = _find_cluster()
    host = _host()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cognitive-bench-")))
        model = stack.enter_context(InstantModel(directory / "model.log", host))
        nats = stack.enter_context(NatsServer.start(directory / "nats", host))
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
        kubectl("create", "namespace", NAMESPACE)
        stack.callback(kubectl.delete, "namespace", NAMESPACE)
        env = {"COGNITIVE_NAMESPACE": NAMESPACE, "COGNITIVE_WATCH_NAMESPACES": NAMESPACE}
        settings = OperatorSettings(kubectl.kubeconfig, nats.url, directory / "operator.log", env)
        stack.enter_context(OperatorProcess.start(settings))
        yield _with_ray(kubectl.within(NAMESPACE), model.endpoint, stack)


def _with_ray(kubectl: Kubectl, endpoint: str, stack: ExitStack) -> ClusterSystem:
    stack.callback(kubectl.delete, "cagent", "--all")
    Agents(kubectl, {"cluster": _cluster_spec()}, endpoint).ready(EMBEDDED)
    (found,) = kubectl.json("get", "rayclusters")["items"]
    name = found["metadata"]["name"]
    agents = Agents(kubectl, {"clusterRef": {"name": name}}, endpoint, {EMBEDDED})
    return ClusterSystem(api_server_of(kubectl.kubeconfig), kubectl, agents, name)


def _cluster_spec() -> dict[str, Any]:
    image = os.environ.get("BENCH_RUNTIME_IMAGE")
    return {
        "head": {"resources": HEAD},
        "authOptions": {"mode": "disabled"},  # a raw submission and RayJob then need no token
        **({"image": image} if image else {}),
    }


def _find_cluster() -> Kubectl:
    kubeconfig, program = os.environ.get("KUBECONFIG"), shutil.which("kubectl")
    if not kubeconfig or not program:
        raise SkippedError("this part needs pods: set KUBECONFIG to a cluster with KubeRay, and install kubectl")
    kubectl = Kubectl(Path(program), Path(kubeconfig))
    context = kubectl("config", "current-context").strip()
    if context != os.environ.get("BENCH_CONTEXT") and not context.startswith("kind-"):
        raise SkippedError(f"the context {context!r} may not be changed: set BENCH_CONTEXT to it if it may")
    if not kubectl("get", "crd", "rayjobs.ray.io", "--ignore-not-found").strip():
        raise SkippedError(f"the cluster of context {context!r} has no KubeRay (CRD rayjobs.ray.io)")
    if installed := kubectl(*INSTALLED, "--output=name").strip():
        raise SkippedError(f"an operator is installed that would run the tasks, too: uninstall {installed}")
    return kubectl


def _host() -> str:
    """Return this machine's address, as pods reach it: BENCH_HOST, else that of its default route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return os.environ.get("BENCH_HOST") or str(probe.getsockname()[0])
