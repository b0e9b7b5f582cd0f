"""Local Ray head whose jobs run in this Python environment."""

import os
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from servers.errors import ServerError
from servers.nats import find_program
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command, environment

START_TIMEOUT_S = 180.0
OBJECT_STORE_BYTES = 80 * 1024 * 1024
"""Ray's minimum is 75 MiB."""
REMOVED_VARIABLES = {"RAY_ADDRESS", "KUBECONFIG", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "LLM_API_KEY"}
"""Not passed to jobs: addresses of other clusters, and credentials, because Ray's API shows environments in clear."""


@dataclass(frozen=True)
class RaySettings:
    """Settings of a Ray cluster that its owner chooses."""

    cpus: int = 8
    """Logical CPUs for scheduling, independent of the machine's cores."""
    memory_bytes: int | None = None
    """Logical memory for scheduling; None: Ray's own share of the machine's memory."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables of the head and of everything that runs on it."""
    secrets_directory: Path | None = None
    """``COGNITIVE_SECRETS_DIR`` of every job; None: ``secrets`` in the head's directory."""
    spool_directory: Path | None = None
    """``COGNITIVE_SPOOL_DIR`` of every job; None: ``spool`` in the head's directory."""


class RayLocal(ABC):
    """Server of Ray's Jobs API on 127.0.0.1 with a directory of its own, which is deleted with it."""

    process: ChildProcess

    def __init__(self, settings: RaySettings | None = None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="cray-", dir="/tmp"))
        self._settings = settings or RaySettings()

    @classmethod
    def start(cls, settings: RaySettings | None = None) -> Self:
        """Start a server and wait until its Jobs API is ready.

        Raises:
            ServerMissingError: Ray is not installed.
            ServerError: The server did not start.
        """
        server = cls(settings)
        try:
            server.wait_until_ready()
        except BaseException:
            server.stop()
            raise
        return server

    @abstractmethod
    def wait_until_ready(self) -> None:
        """Wait until the server can run jobs.

        Raises:
            ServerError: The server did not start.
        """

    @property
    def directory(self) -> Path:
        """Directory of all files of the server."""
        return self._directory

    @property
    def secrets_directory(self) -> Path:
        """Directory of the agents' secrets: ``<agentUID>/<file>``."""
        return self._settings.secrets_directory or self._directory / "secrets"

    @property
    def spool_directory(self) -> Path:
        """Directory in which executors spool results that they cannot publish."""
        return self._settings.spool_directory or self._directory / "spool"

    def stop(self) -> None:
        """Stop the server, its workers and its jobs, and delete its directory."""
        self.process.stop(grace_s=2)
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class RayHead(RayLocal):
    """A Ray head with dashboard and Jobs API on 127.0.0.1; the constructor starts it and does not wait."""

    def __init__(self, settings: RaySettings | None = None) -> None:
        self._program = find_program("ray", "the package ray[default]")
        super().__init__(settings)
        self._ports = free_ports(9)
        self._agent_port = self._ports[-1]
        for directory in (self.secrets_directory, self.spool_directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.process = self._launch()

    def wait_until_ready(self) -> None:
        """Wait until the Jobs API is ready and the node can run jobs; takes some seconds for Ray's imports.

        Ray exits if its node does not register within 30 s, a constant. On a busy machine this can be too short, so the
        head is started once more.

        Raises:
            ServerError: The head did not start.
        """
        try:
            self._wait()
        except ServerError:
            if self.process.is_running:
                raise
            self.process = self._launch()
            self._wait()

    @property
    def address(self) -> str:
        """URL of the dashboard and the Jobs API: value for an agent's ``ray.address``."""
        return f"http://127.0.0.1:{self._ports[1]}"

    @property
    def gcs_address(self) -> str:
        """Address for ``ray.init(address=…)``."""
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def logs_directory(self) -> Path:
        """Directory of Ray's logs and of the logs of each job."""
        return self._directory / "session_latest" / "logs"

    def kill(self) -> None:
        """Kill the head, its workers and its jobs with SIGKILL; ``stop`` must still be called."""
        self.process.kill()

    def resume(self) -> None:
        """Start a new head without the old one's state on the same ports and wait until it is ready."""
        self.process = self._launch()
        self.wait_until_ready()

    def _launch(self) -> ChildProcess:
        argv = [self._program, "start", "--head", "--block", *self._arguments()]
        return ChildProcess(Command("ray", argv, self._directory / "ray.log", self._environment()))

    def _wait(self) -> None:
        self.process.wait_until(http_ok(f"{self.address}/api/jobs/"), START_TIMEOUT_S, "a Jobs API")
        raylet = f"http://127.0.0.1:{self._agent_port}/api/local_raylet_healthz"
        self.process.wait_until(http_ok(raylet), START_TIMEOUT_S, "a healthy node")

    def _arguments(self) -> list[str]:
        gcs, dashboard, *rest = self._ports
        names = (
            "node-manager-port",
            "object-manager-port",
            "ray-client-server-port",
            "metrics-export-port",
            "dashboard-agent-grpc-port",
            "runtime-env-agent-port",
            "dashboard-agent-listen-port",
        )
        return [
            "--node-ip-address=127.0.0.1",
            f"--port={gcs}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={dashboard}",
            "--min-worker-port=0",
            "--max-worker-port=0",
            *(f"--{name}={port}" for name, port in zip(names, rest, strict=True)),
            f"--num-cpus={self._settings.cpus}",
            *([f"--memory={self._settings.memory_bytes}"] if self._settings.memory_bytes else []),
            f"--object-store-memory={OBJECT_STORE_BYTES}",
            f"--temp-dir={self._directory}",
            "--disable-usage-stats",
        ]

    def _environment(self) -> dict[str, str]:
        """Return an environment with this ``python`` first on the PATH and without REMOVED_VARIABLES."""
        changes = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "COGNITIVE_SECRETS_DIR": str(self.secrets_directory),
            "COGNITIVE_SPOOL_DIR": str(self.spool_directory),
            "RAY_AUTH_MODE": "disabled",  # a token in the user's home would be required otherwise
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # also on Linux: listen only on 127.0.0.1
            "RAY_prestart_worker_first_driver": "0",
            "RAY_worker_register_timeout_seconds": "120",
            "RAY_worker_niceness": "0",  # the same priority as the other servers on this machine
        }
        plain = {name: value for name, value in environment(**changes).items() if name not in REMOVED_VARIABLES}
        return plain | dict(self._settings.variables)
