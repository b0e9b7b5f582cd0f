"""Servers of one process that keep their directory across restarts."""

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

from servers.process import ChildProcess


class RestartableServer(ABC):
    """A server with a directory of its own; a subclass starts its process.

    Args:
        directory: Configuration, log and data. ``close`` deletes it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: ChildProcess | None = None

    @abstractmethod
    def resume(self) -> None:
        """Start or restart the server and wait until it is ready.

        Raises:
            ServerError: The server did not start.
        """

    def started(self) -> Self:
        """Start the server and return it; close it if it does not start. Raises the errors of ``resume``."""
        try:
            self.resume()
        except BaseException:
            self.close()
            raise
        return self

    def stop(self) -> None:
        """Stop the server; its directory stays."""
        if self._process is not None:
            self._process.stop(grace_s=5)
            self._process = None

    def close(self) -> None:
        """Stop the server and delete its directory."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
