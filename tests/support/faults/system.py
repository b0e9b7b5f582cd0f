"""The whole system with a proxy between any two of its parts, for the fault suite."""

import os
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from controlplane import ControlPlane
from controlplane.kubeconfig import write_proxied_kubeconfig
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from servers.ray_head import RayHead
from support.builders.cognitive_objects import agent
from support.cluster.leftovers import on_broker, on_ray
from support.eventually import eventually
from support.faults.admin import AdminApi
from support.faults.evidence import Body
from support.faults.http_proxy import HttpProxy, Upstream
from support.faults.invariants import AGENT
from support.faults.loop import LoopThread
from support.faults.nats_proxy import NatsProxy
from support.faults.observer import Observer
from support.faults.switch import Fault, Switchboard
from support.servers.scripted_model import ScriptedModel

ROOT = Path(__file__).parents[3]
RBAC = ROOT / "docs" / "operations" / "rbac.yaml"
"""Rights of the operator in all namespaces."""
OPERATOR_NAMESPACE = "cognitive-system"
OPERATOR_USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:cognitive-operator"
OTHER_API = "other-api"
API, RAY, BROKER, WORKERS = "api", "ray", "broker", "workers"
"""Names of the proxies: before the API server and Ray, and before the broker for the operator and for executors."""
HOME = "faults-home"
RETRIES = {"retryPolicy": {"maxRetries": 3, "backoffSeconds": 1}}
READY_TIMEOUT_S = 90.0
Cut = Literal["refused", "vanishing"]
"""Kind of an interrupted connection: closed at once, or open and never answered."""


@dataclass(frozen=True)
class Servers:
    """The real parts."""

    plane: ControlPlane
    nats: NatsServer
    ray: RayHead
    model: ScriptedModel


@dataclass(frozen=True)
class Proxies:
    """Proxies between the parts of the system."""

    api: HttpProxy
    ray: HttpProxy
    broker: NatsProxy
    workers: NatsProxy


class FaultSystem:
    """Servers, proxies, an observer, an administrator and one operator with the rights of its documentation."""

    def __init__(self, servers: Servers, stack: ExitStack, directory: Path) -> None:
        self.servers = servers
        self.switch = Switchboard()
        self.loop = stack.enter_context(LoopThread())
        self.proxies = self._proxies(stack)
        self._ways = {API: self.proxies.api}
        self.admin = stack.enter_context(AdminApi(servers.plane, self.loop))
        self.observer = stack.enter_context(Observer(servers.plane, self.loop))
        self.key = f"sk-{uuid.uuid4().hex}"
        kubeconfig = _kubeconfig(directory / "kubeconfig", self.proxies.api.url)
        self.settings = OperatorSettings(
            kubeconfig,
            self.proxies.broker.url,
            directory / "operator.log",
            {"COGNITIVE_RAY_NATS_URL": self.proxies.workers.url, "COGNITIVE_NAMESPACE": OPERATOR_NAMESPACE},
        )
        servers.plane.kubectl("apply", "-f", str(RBAC))
        self.operator = stack.enter_context(OperatorProcess.start(self.settings))

    @property
    def model(self) -> ScriptedModel:
        """The model that counts."""
        return self.servers.model

    def agent(self, name: str, *, address: str | None = None, **spec: Any) -> Body:
        """Return an agent with a key and retries, on the proxied Ray unless another address is given."""
        llm = {"apiKeySecretRef": {"name": "model-key"}, **spec.pop("llm", {})}
        spec = {"taskDefaults": RETRIES, **spec}
        return agent(name, address or self.proxies.ray.url, self.model.url, llm=llm, **spec)

    def add_agent(self, namespace: str, body: Body) -> Body:
        """Create an agent with its key, mount the key on Ray and wait until it is ready."""
        self.add_key(namespace)
        (created,) = self.admin.create(namespace, body)
        self.mount_key(created["metadata"]["uid"])
        self.wait_ready(namespace, body["metadata"]["name"])
        return created

    def add_key(self, namespace: str, value: str | None = None) -> None:
        """Create the Secret with the model's key, or change it."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "model-key"},
            "stringData": {"api-key": self.key if value is None else value},
        }
        self.servers.plane.kubectl.within(namespace).apply(yaml.safe_dump(manifest))

    def mount_key(self, agent_uid: str) -> None:
        """Do what a Ray cluster's owner does."""
        folder = self.servers.ray.secrets_directory / agent_uid
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "llm-api-key").write_text(self.key, encoding="utf-8")

    def wait_ready(self, namespace: str, name: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until an agent accepts tasks."""

        def ready() -> bool:
            found = self.observer.present(AGENT, namespace).get(name)
            assert found is not None, f"no agent {name}"
            said = found.condition("Ready")
            assert said.get("status") == "True", f"{name}: {said}"
            return True

        eventually(ready, timeout_s, 0.1)

    def heal(self) -> None:
        """End every disturbance of the proxies."""
        self.switch.clear()
        self.loop.run(self.proxies.workers.heal())
        self.loop.run(self.proxies.broker.heal())

    def repair(self) -> None:
        """Start again what a failed test has left stopped."""
        self.heal()
        if not self.servers.nats.is_running:
            self.servers.nats.resume()
        if not any(process.command.name == "kube-apiserver" for process in self.servers.plane.processes):
            self.servers.plane.start_apiserver()
        if not self.operator.is_running:
            self.operator.resume()

    @contextmanager
    def namespace(self, prefix: str) -> Iterator[str]:
        """A namespace for a while."""
        name = f"{prefix}-{uuid.uuid4().hex[:6]}"
        kubectl = self.servers.plane.kubectl
        kubectl("create", "namespace", name)
        try:
            yield name
        finally:  # gone before another test looks
            self.repair()
            kubectl.delete("namespace", name)

    @contextmanager
    def another_way(self, directory: Path) -> Iterator[OperatorSettings]:
        """Settings of a second operator with a proxy of its own before the API server, named OTHER_API."""
        with ExitStack() as stack:
            proxy = self._open(stack, self._api_proxy(OTHER_API))
            self._ways[OTHER_API] = proxy
            stack.callback(self._ways.pop, OTHER_API)
            yield replace(self.settings, kubeconfig=_kubeconfig(directory / "other-kubeconfig", proxy.url))

    def cut_api(self, service: str, kind: Cut) -> Fault:
        """Cut the way to the API server through the proxy API or OTHER_API until the fault is removed."""
        how: dict[str, Any] = {"cut": "before"} if kind == "refused" else {"silent": "before"}
        fault = self.switch.add(Fault(lambda call: call.service == service, **how))
        proxy = self._ways[service]
        self.loop.run(proxy.cut_streams() if kind == "refused" else proxy.mute_streams())
        return fault

    @contextmanager
    def without_operator(self) -> Iterator[None]:
        """Stop the system's operator while a test runs others."""
        self.operator.stop()
        try:
            yield
        finally:
            self.heal()
            self.operator.resume()

    @contextmanager
    def operator_with(self, **env: str) -> Iterator[None]:
        """Run the system's operator with further environment variables for a while."""
        own = self.operator
        own.stop()
        self.operator = OperatorProcess(replace(self.settings, env={**self.settings.env, **env}))
        try:
            self.operator.resume()
            yield
        finally:
            self.heal()
            self.operator.stop()
            self.operator = own
            own.resume()

    def leftovers(self, uid: str) -> list[str]:
        """Return what the broker and Ray hold of an agent or a task."""
        found = self.loop.run(on_broker(self.servers.nats.url)) + self.loop.run(on_ray(self.servers.ray.address))
        return [name for name in found if uid in name]

    def shown(self, namespaces: list[str]) -> dict[str, str]:
        """Return the texts that might leak a secret, by a readable name of their source."""
        with urllib.request.urlopen(self.operator.metrics_url, timeout=10) as answer:
            metrics = answer.read().decode()
        with urllib.request.urlopen(f"{self.servers.ray.address}/api/jobs/", timeout=20) as answer:
            jobs = answer.read().decode()
        lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        log = self.operator.log_path.read_text(encoding="utf-8")
        texts = {"metrics": metrics, "Ray's jobs": jobs, "command lines": lines, "the operator's log": log}
        return texts | self.admin.texts(namespaces)

    def _proxies(self, stack: ExitStack) -> Proxies:
        nats_url = self.servers.nats.url
        return Proxies(
            self._open(stack, self._api_proxy(API)),
            self._open(stack, HttpProxy(Upstream(RAY, self.servers.ray.address), self.switch)),
            self._open(stack, NatsProxy(BROKER, nats_url, self.switch)),
            self._open(stack, NatsProxy(WORKERS, nats_url, self.switch)),
        )

    def _api_proxy(self, name: str) -> HttpProxy:
        """Return a proxy before the API server that acts as the operator's service account."""
        plane = self.servers.plane
        as_operator = {"Impersonate-User": OPERATOR_USER}
        return HttpProxy(Upstream(name, plane.url, plane.tls_context(), as_operator), self.switch)

    def _open(self, stack: ExitStack, proxy: Any) -> Any:
        self.loop.run(proxy.__aenter__())
        stack.callback(lambda: self.loop.run(proxy.__aexit__()))
        return proxy


def is_quick() -> bool:
    """Return True for the short selection, ``FAULTS=quick``."""
    return os.environ.get("FAULTS") == "quick"


def _kubeconfig(path: Path, server: str) -> Path:
    """Write a kubeconfig for a proxy that is let in, and acts as the operator's service account."""
    write_proxied_kubeconfig(path, server)
    return path
