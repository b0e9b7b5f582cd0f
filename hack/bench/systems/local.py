"""The complete system on the control plane of ``hack/``: processes without pods."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.host.processes import Component
from bench.kube.api_server import ApiServer, api_server_of
from bench.kube.audit_log import AuditLog
from bench.kube.kinds import bare_crd
from bench.systems.model import InstantModel
from bench.workloads.agents import Agents
from controlplane import Kubectl
from demo.llm import LLMChoice
from demo.system import System

NAMESPACE, FLOORS = "default", "floors"
"""Namespaces of the operator's tasks, and of the objects that the operator does not watch."""
WATCHED = "COGNITIVE_WATCH_NAMESPACES"
OPERATOR_ENV = {WATCHED: NAMESPACE}
WORKER_MARKS = ("ray::", "cognitive_runtime")
"""Parts of the command lines of executors and their workers below the Ray head."""
RAY_PROCESSES = ("ray::DashboardAgent", "ray::RuntimeEnvAgent", "ray::JobSupervisor", "ray::IDLE")
"""Beginnings of the command lines of Ray's own Python processes."""


class LocalSystem:
    """The running system, its processes and its addresses."""

    namespace = NAMESPACE

    def __init__(self, system: System, model: InstantModel, directory: Path) -> None:
        components = system.components
        self.system, self.model, self.directory = system, model, directory
        self.api: ApiServer = api_server_of(components.plane.kubeconfig_path)
        self.kubectl: Kubectl = system.kubectl
        self.dashboard = components.ray.address
        self.agents = Agents(self.kubectl, {"address": self.dashboard}, model.endpoint)
        self.audit = AuditLog(components.plane.audit_log_path)

    @property
    def operator(self) -> Component:
        """The operator's process, which changes when the operator restarts."""
        return Component("operator", self.system.components.operator.process.pid)

    @property
    def workers(self) -> Component:
        """Executors and their workers."""
        return Component("worker", self.system.components.ray.process.supervisor_pid, is_worker)

    @property
    def apiserver(self) -> Component:
        """The API server."""
        return Component("API server", self._pid_of("kube-apiserver"))

    @property
    def all_components(self) -> list[Component]:
        """All processes that serve tasks, without the model and the benchmark itself."""
        components = self.system.components
        return [
            self.apiserver,
            Component("etcd", self._pid_of("etcd")),
            Component("controller manager", self._pid_of("kube-controller-manager")),
            self.operator,
            Component("NATS", components.nats.process.pid),
            self.workers,
            Component("Ray", components.ray.process.supervisor_pid, lambda command: not is_worker(command)),
        ]

    def _pid_of(self, name: str) -> int:
        processes = self.system.components.plane.processes
        return next(each.pid for each in processes if each.command.name == name)


@contextmanager
def local_system(namespaces: Sequence[str] = (NAMESPACE,)) -> Iterator[LocalSystem]:
    """Start the system with an instant model; the operator watches ``namespaces`` only, which are created."""
    with tempfile.TemporaryDirectory(prefix="cognitive-bench-") as folder:
        directory = Path(folder)
        with InstantModel(directory / "model.log") as model:
            choice = LLMChoice("openaiCompatible", "scripted", model.endpoint)
            with System(directory, choice, {WATCHED: ",".join(namespaces)}) as system:
                system.kubectl.apply(json.dumps(bare_crd()))
                for name in {FLOORS, *namespaces} - {NAMESPACE}:
                    system.kubectl("create", "namespace", name)
                system.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
                yield LocalSystem(system, model, directory)


def is_worker(command: str) -> bool:
    """Tell whether the command line of a process below the Ray head is that of an executor or one of its workers."""
    return any(mark in command for mark in WORKER_MARKS) and not command.startswith(RAY_PROCESSES)
