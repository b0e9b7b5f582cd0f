"""Starts and stops all parts of the system."""

import shutil
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

PLANE, NATS = DATA = ("control-plane", "nats")
"""Names of the directories in which the parts keep their data."""


@dataclass(frozen=True)
class Parts:
    """What runs."""

    plane: ControlPlane
    nats: NatsServer
    ray: RayHead
    operator: OperatorProcess
    model: ModelServer | None
    """None: the model is somebody else's."""

    @property
    def processes(self) -> list[ChildProcess]:
        """The programs of all parts."""
        model = [] if self.model is None else [self.model.process]
        return [*self.plane.processes, self.nats.process, self.ray.process, *model, self.operator.process]


class System:
    """Control plane, nats-server, Ray head, model and operator; a context manager that leaves nothing behind."""

    def __init__(self, directory: Path, llm: LLMChoice) -> None:
        self._directory = directory
        self._llm = llm
        self._stack = ExitStack()
        self._is_kept = False
        self.parts = self._start()

    @property
    def kubectl(self) -> Kubectl:
        """Kubectl as the cluster's administrator, in the default namespace."""
        return self.parts.plane.kubectl.within("default")

    @property
    def addresses(self) -> Addresses:
        """What agents have to be pointed at."""
        model = self.parts.model
        endpoint = self._llm.endpoint if model is None else model.endpoint
        assert endpoint is not None
        has_key = self._llm.api_key is not None
        return Addresses(self.parts.ray.address, self._llm.provider, self._llm.model, endpoint, has_key)

    def check(self) -> None:
        """Check that every part still runs.

        Raises:
            ServerError: one has ended; the message holds the end of its log.
        """
        for process in self.parts.processes:
            if not process.is_running:
                name = process.command.name
                raise ServerError(f"{name} ended with {process.exit_code}:\n{process.log_tail()}")

    def keep_logs(self) -> None:
        """Copy the logs of Ray's jobs beside the others: Ray's own directory goes when it stops."""
        for log in self.parts.ray.logs_directory.glob("job-driver-*.log"):
            shutil.copy(log, self._directory)

    def detach(self) -> None:
        """Let everything outlive this process."""
        for process in self.parts.processes:
            process.detach()
        self._is_kept = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_kept:
            with step("Stopping everything"):
                self._stack.close()

    def _start(self) -> Parts:
        find_programs()
        with self._stack as stack:
            ray = stack.enter_context(RayHead())
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
            with step("Installing the custom resources"):
                _install_crds(plane.kubectl)
            with step("Starting the operator"):
                settings = OperatorSettings(plane.kubeconfig_path, nats.url, self._log("operator"))
                operator = stack.enter_context(OperatorProcess.start(settings))
            self._stack = stack.pop_all()
        return Parts(plane, nats, ray, operator, model)

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"


def _install_crds(kubectl: Kubectl) -> None:
    crds = Path(__file__).parents[2] / "crds"
    kubectl("apply", "--server-side", "-f", str(crds))
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
