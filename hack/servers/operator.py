"""The operator as a process of its own."""

import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command, environment

START_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class OperatorSettings:
    """Where the operator finds the rest, and where it logs."""

    kubeconfig: Path
    nats_url: str
    log_path: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables."""


class OperatorProcess:
    """``python -m cognitive_operator`` with its health and metrics on free ports of its own."""

    def __init__(self, settings: OperatorSettings) -> None:
        self._settings = settings
        self._health_port, self._metrics_port = free_ports(2)
        self._process: ChildProcess | None = None

    @classmethod
    def start(cls, settings: OperatorSettings) -> Self:
        """Start an operator and wait until it is healthy.

        Raises:
            ServerError: it did not start; the message holds the end of its log.
        """
        operator = cls(settings)
        try:
            operator.resume()
        except BaseException:
            operator.stop()
            raise
        return operator

    @property
    def health_url(self) -> str:
        """Where it says that it lives."""
        return f"http://127.0.0.1:{self._health_port}/healthz"

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads."""
        return f"http://127.0.0.1:{self._metrics_port}/metrics"

    def metric(self, name: str, **labels: str) -> float:
        """Return one of its metrics, 0 while it does not exist."""
        shown = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        with urllib.request.urlopen(self.metrics_url, timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name}{{{shown}}} " if shown else f"{name} "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    @property
    def log_path(self) -> Path:
        """Its log, all its lives in one file."""
        return self._settings.log_path

    @property
    def process(self) -> ChildProcess:
        """The running program."""
        assert self._process is not None, "the operator is stopped"
        return self._process

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended, by itself or otherwise."""
        return self._process is not None and self._process.is_running

    def resume(self) -> None:
        """Start it, at first or again, and wait until it is healthy."""
        argv = [sys.executable, "-m", "cognitive_operator"]
        self._process = ChildProcess(Command("operator", argv, self.log_path, self._environment()))
        self._process.wait_until(http_ok(self.health_url), START_TIMEOUT_S, "a healthy operator")

    def stop(self) -> None:
        """Stop it as Kubernetes would: by SIGTERM, with time to hand over."""
        if self._process is not None:
            self._process.stop(grace_s=20)
            self._process = None

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        changes = {
            "KUBECONFIG": str(self._settings.kubeconfig),
            "COGNITIVE_NATS_URL": self._settings.nats_url,
            "COGNITIVE_HEALTH_PORT": str(self._health_port),
            "COGNITIVE_METRICS_PORT": str(self._metrics_port),
            **self._settings.env,
        }
        return environment(**changes)
