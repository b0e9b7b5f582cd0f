"""A model that answers at once, in a process of its own."""

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Self

from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command, environment

SUPPORT = Path(__file__).parents[2] / "tests" / "support"
TEXT_CHARS = 1000
"""Two texts of this length make a result of 2 KiB."""


class InstantModel:
    """The tests' scripted model, told nothing but how long its texts are."""

    def __init__(self, log_path: Path) -> None:
        (self._port,) = free_ports(1)
        argv = [sys.executable, "-m", "scripted_model", "--port", str(self._port)]
        path = os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])
        self._process = ChildProcess(Command("scripted model", argv, log_path, environment(PYTHONPATH=path)))

    @property
    def endpoint(self) -> str:
        """An agent's ``llm.endpoint``."""
        return f"{self._url}/v1"

    def executions(self) -> dict[str, int]:
        """Return how many calls came for each attempt."""
        with urllib.request.urlopen(f"{self._url}/_executions", timeout=10) as answer:
            return dict(json.loads(answer.read()))

    def __enter__(self) -> Self:
        self._process.wait_until(http_ok(f"{self._url}/v1/models"), 20, "a port")
        script = json.dumps({"text": "x" * TEXT_CHARS}).encode()
        request = urllib.request.Request(f"{self._url}/_scripts", script, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop(grace_s=2)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}"
