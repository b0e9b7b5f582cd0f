"""Servers that are modules of this package."""

import os
import sys
from pathlib import Path
from typing import Self

from servers.ports import free_ports
from servers.process import ChildProcess, Command, environment


class ModuleServer:
    """``python -m servers.NAME PORT`` as a child process; the constructor starts it and does not wait."""

    def __init__(self, name: str, log_path: Path) -> None:
        (self._port,) = free_ports(1)
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        argv = [sys.executable, "-m", f"servers.{name}", str(self._port)]
        self.process = ChildProcess(Command(name, argv, log_path, environment(PYTHONPATH=path)))

    def stop(self) -> None:
        """Stop the server."""
        self.process.stop(grace_s=3)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
