"""The double as a process of its own."""

import os
import sys
from pathlib import Path
from typing import Final

from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command, environment
from servers.ray_head import REMOVED_VARIABLES, RayHead, RayLocal, RaySettings

START_TIMEOUT_S: Final = 120.0


class RayDouble(RayLocal):
    """Used as a ``RayHead`` is; the constructor starts it and does not wait."""

    def __init__(self, settings: RaySettings | None = None) -> None:
        super().__init__(settings)
        (self._port,) = free_ports(1)
        for directory in (self.secrets_directory, self.spool_directory, self.logs_directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.process = self._launch()

    def wait_until_ready(self) -> None:
        """Wait until the Jobs API serves.

        Raises:
            ServerError: It did not start.
        """
        self.process.wait_until(http_ok(f"{self.address}/api/jobs/"), START_TIMEOUT_S, "a Jobs API")

    @property
    def address(self) -> str:
        """The URL that the Jobs API is below: an agent's ``ray.address``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def logs_directory(self) -> Path:
        """The log of each job."""
        return self._directory / "logs"

    def _launch(self) -> ChildProcess:
        argv = [sys.executable, "-m", str(__package__), f"--port={self._port}", f"--directory={self.logs_directory}"]
        return ChildProcess(Command("ray double", argv, self._directory / "double.log", self._environment()))

    def _environment(self) -> dict[str, str]:
        changes = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "COGNITIVE_SECRETS_DIR": str(self.secrets_directory),
            "COGNITIVE_SPOOL_DIR": str(self.spool_directory),
        }
        return {name: value for name, value in environment(**changes).items() if name not in REMOVED_VARIABLES}


RayServer = RayHead | RayDouble
"""Server of Ray's Jobs API that runs executors: a real head, or the double."""
