"""The operator as a child process."""

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
    """Addresses and log file of an operator process."""

    kubeconfig: Path
    nats_url: str
    log_path: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """Additional environment variables."""
    module: str = "cognitive_operator"
    """Module to run: the operator, or a program that runs it."""


class OperatorProcess:
    """The operator with health and metrics endpoints on free ports."""

    def __init__(self, settings: OperatorSettings) -> None:
        self._settings = settings
        self._health_port, self._metrics_port = free_ports(2)
        self._process: ChildProcess | None = None

    @classmethod
    def start(cls, settings: OperatorSettings) -> Self:
        """Start an operator and wait until it is healthy.

        Raises:
            ServerError: The operator did not start; the message includes the end of its log.
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
        """URL of the health endpoint."""
        return f"http://127.0.0.1:{self._health_port}/healthz"

    @property
    def metrics_url(self) -> str:
        """URL of the metrics endpoint."""
        return f"http://127.0.0.1:{self._metrics_port}/metrics"

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric, 0 if it has no sample yet."""
        label_set = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        with urllib.request.urlopen(self.metrics_url, timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name}{{{label_set}}} " if label_set else f"{name} "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    @property
    def log_path(self) -> Path:
        """Log file, shared by all restarts."""
        return self._settings.log_path

    @property
    def process(self) -> ChildProcess:
        """The running process."""
        assert self._process is not None, "the operator is stopped"
        return self._process

    @property
    def is_running(self) -> bool:
        """True while the operator runs."""
        return self._process is not None and self._process.is_running

    def resume(self) -> None:
        """Start or restart the operator and wait until it is healthy."""
        argv = [sys.executable, "-m", self._settings.module]
        self._process = ChildProcess(Command("operator", argv, self.log_path, self._environment()))
        self._process.wait_until(http_ok(self.health_url), START_TIMEOUT_S, "a healthy operator")

    def stop(self) -> None:
        """Stop the operator with SIGTERM and a grace period, as Kubernetes does."""
        if self._process is not None:
            self._process.stop(grace_s=20)
            self._process = None

    def kill(self) -> None:
        """Kill the operator with SIGKILL."""
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
