"""A model without latency, as a separate process."""

import json
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command, environment

TESTS = Path(__file__).parents[3] / "tests"
TEXT_CHARS = 1000
"""Length of each text of an answer; a result has two, together 2 KiB."""
SENTENCE = "The pod was killed because its memory limit is smaller than what its cache needs. "
TEXT = (SENTENCE * (TEXT_CHARS // len(SENTENCE) + 1))[:TEXT_CHARS]
"""Words, because the runtime rejects placeholders such as a row of the same letter."""
SLOW = "slow"
"""Name of the model with a latency of SLOW_S; every other model answers at once."""
SLOW_S = 1.0


class InstantModel:
    """The tests' scripted model, configured with the length of its texts and the slow model."""

    def __init__(self, log_path: Path, host: str = "127.0.0.1") -> None:
        (self._port,) = free_ports(1)
        self._host = host
        argv = [sys.executable, "-m", "support.servers.scripted_model", "--host", host, "--port", str(self._port)]
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
        self._process = ChildProcess(Command("scripted model", argv, log_path, environment(PYTHONPATH=path)))

    @property
    def endpoint(self) -> str:
        """Value for an agent's ``llm.endpoint``."""
        return f"{self._url}/v1"

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def executions(self) -> dict[str, int]:
        """Return the number of model calls of each attempt."""
        with urllib.request.urlopen(f"{self._url}/_executions", timeout=10) as answer:
            return dict(json.loads(answer.read()))

    def __enter__(self) -> Self:
        self._process.wait_until(http_ok(f"{self._url}/v1/models"), 20, "a port")
        for script in ({"model": SLOW, "delay_s": SLOW_S, "text": TEXT}, {"text": TEXT}):
            self._post("/_scripts", script)
        return self

    def call_ms(self, count: int) -> float:
        """Return the median latency of ``count`` model calls without an executor, in milliseconds."""
        body = {"model": "scripted", "messages": [{"role": "user", "content": TEXT}]}
        took = []
        for _ in range(count):
            began = time.perf_counter()
            self._post("/v1/chat/completions", body)
            took.append((time.perf_counter() - began) * 1000)
        return statistics.median(took)

    def __exit__(self, *_: object) -> None:
        self._process.stop(grace_s=2)

    def _post(self, path: str, body: Mapping[str, object]) -> None:
        content = json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}{path}", content, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()

    @property
    def _url(self) -> str:
        return f"http://{self._host}:{self._port}"
