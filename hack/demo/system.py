"""Starts and stops all components of the system."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from controlplane import ControlPlane, Kubectl
from controlplane.binaries import find_programs
from controlplane.progress import step
from demo.examples import Addresses
from demo.llm import LLMChoice
from servers.errors import ServerError
from servers.model import ModelServer
from servers.nats import NatsServer
from servers.operator import OperatorProcess, OperatorSettings
from servers.process import ChildProcess
from servers.ray_head import RayHead
from servers.runbooks import RunbookServer

PLANE, NATS = DATA = ("control-plane", "nats")
"""Names of the components' data directories."""


@dataclass(frozen=True)
class Components:
    """The running components."""

    plane: ControlPlane
    nats: NatsServer
    ray: RayHead
    operator: OperatorProcess
    tools: RunbookServer
    model: ModelServer | None
    """None: the demo uses an external model."""

    @property
    def processes(self) -> list[ChildProcess]:
        """The processes of all components."""
        model = [] if self.model is None else [self.model.process]
        servers = [self.nats.process, self.ray.process, self.tools.process, *model]
        return [*self.plane.processes, *servers, self.operator.process]


class System:
    """All components of the system: the context manager stops them at its end."""

    def __init__(self, directory: Path, llm: LLMChoice, operator_env: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._llm = llm
        self._operator_env = operator_env or {}
        self._stack = ExitStack()
        self._is_detached = False
        self.components = self._start()

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl with cluster-admin rights, in the default namespace."""
        return self.components.plane.kubectl.within("default")

    @property
    def addresses(self) -> Addresses:
        """The servers' addresses for the agents' specs."""
        model = self.components.model
        endpoint = self._llm.endpoint if model is None else model.endpoint
        assert endpoint is not None
        return Addresses(
            ray=self.components.ray.address,
            provider=self._llm.provider,
            model=self._llm.model,
            endpoint=endpoint,
            has_key=self._llm.api_key is not None,
            tools=self.components.tools.url,
        )

    @property
    def has_small_model(self) -> bool:
        """True if the demo serves the small local model."""
        return self._llm.is_local

    def check(self) -> None:
        """Check that every component is running.

        Raises:
            ServerError: A process has exited; the message includes the end of its log.
        """
        for process in self.components.processes:
            if not process.is_running:
                name = process.command.name
                raise ServerError(f"{name} exited with code {process.exit_code}:\n{process.log_tail()}")

    def keep_logs(self) -> None:
        """Copy the logs of Ray's jobs to the demo's directory, because Ray's directory is deleted when it stops."""
        for log in self.components.ray.logs_directory.glob("job-driver-*.log"):
            shutil.copy(log, self._directory)

    def detach(self) -> None:
        """Keep all components running after this process exits."""
        for process in self.components.processes:
            process.detach()
        self._is_detached = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_detached:
            with step("Stopping all components"):
                self._stack.close()

    def _start(self) -> Components:
        find_programs()
        with self._stack as stack:
            ray = stack.enter_context(RayHead())
            tools = stack.enter_context(RunbookServer(self._log("runbooks")))
            model = stack.enter_context(ModelServer(self._log("model"))) if self._llm.is_local else None
            with step("Starting kube-apiserver, etcd and kube-controller-manager"):
                plane = stack.enter_context(ControlPlane.start(self._directory / PLANE))
            with step("Starting nats-server with JetStream"):
                nats = stack.enter_context(NatsServer.start(self._directory / NATS))
            if model is not None:
                with step(f"Loading {self._llm.model} on the CPU"):
                    model.wait_until_ready()
            with step("Starting a Ray head"):
                ray.wait_until_ready()
            with step("Starting an MCP server"):
                tools.wait_until_ready()
            with step("Installing the CRDs"):
                _install_crds(plane.kubectl)
            with step("Starting the operator"):
                log, env = self._log("operator"), self._operator_env
                settings = OperatorSettings(plane.kubeconfig_path, nats.url, log, env)
                operator = stack.enter_context(OperatorProcess.start(settings))
            self._stack = stack.pop_all()
        return Components(plane, nats, ray, operator, tools, model)

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"


def _install_crds(kubectl: Kubectl) -> None:
    crds = Path(__file__).parents[2] / "crds"
    kubectl("apply", "--server-side", "-f", str(crds))
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
