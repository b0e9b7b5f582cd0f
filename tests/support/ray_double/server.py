"""The double as a process of its own."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final, Self

from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command, environment
from servers.ray_head import REMOVED_VARIABLES, RayHead, RaySettings

START_TIMEOUT_S: Final = 120.0


class RayDouble:
    """Used as a ``RayHead`` is; the constructor starts it and does not wait."""

    def __init__(self, settings: RaySettings | None = None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="cray-", dir="/tmp"))
        self._settings = settings or RaySettings()
        (self._port,) = free_ports(1)
        for directory in (self.secrets_directory, self.spool_directory, self.logs_directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.process = self._launch()

    @classmethod
    def start(cls, settings: RaySettings | None = None) -> Self:
        """Start a double and wait until jobs start at once: the time of one import of DSPy.

        Raises:
            ServerError: It did not start.
        """
        double = cls(settings)
        try:
            double.wait_until_ready()
        except BaseException:
            double.stop()
            raise
        return double

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
    def directory(self) -> Path:
        """Everything that it writes."""
        return self._directory

    @property
    def secrets_directory(self) -> Path:
        """The agents' secrets: ``<agentUID>/<file>``."""
        return self._settings.secrets_directory or self._directory / "secrets"

    @property
    def spool_directory(self) -> Path:
        """Results that jobs cannot publish."""
        return self._settings.spool_directory or self._directory / "spool"

    @property
    def logs_directory(self) -> Path:
        """The log of each job."""
        return self._directory / "logs"

    def stop(self) -> None:
        """Stop the double and its jobs, and delete its directory."""
        self.process.stop(grace_s=2)
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

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
"""What executors run on: a real head, or the double."""
