"""The agents of the experiments."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.experiment import SkippedError
from bench.kube.kinds import TASK_VERSION, Manifest
from bench.systems.model import SLOW
from controlplane import Kubectl

CRD = Path(__file__).parents[3] / "crds" / "cognitiveagents.yaml"
EMBEDDED, JOB, SERVE, WARM_SLOTS = "embedded", "job", "serve", "warm-slots"
CONCURRENT, NOISY = "concurrent", "noisy"
AT_ONCE = 100
"""Tasks that the agent CONCURRENT runs at the same time."""
SPECS: Mapping[str, dict[str, Any]] = {
    EMBEDDED: {},
    JOB: {"execution": {"mode": "Job"}},
    SERVE: {"execution": {"mode": "Serve"}},
    WARM_SLOTS: {"execution": {"mode": "Job", "job": {"warmSlots": 2}}},
    CONCURRENT: {"execution": {"concurrencyPerWorker": AT_ONCE}, "queue": {"maxConcurrentTasks": AT_ONCE}},
    NOISY: {},
}
SLOW_AGENTS = (CONCURRENT, NOISY)
"""Agents whose model has a latency of one second."""
READY_TIMEOUT_S = 300


@dataclass
class Agents:
    """Creates the agents of one namespace when they are needed."""

    kubectl: Kubectl
    ray: Mapping[str, Any]
    """Field ``ray`` of every agent."""
    endpoint: str
    known: set[str] = field(default_factory=set)
    """Agents that are ready already."""

    def ready(self, name: str) -> None:
        """Apply an agent of SPECS and wait until it is ready.

        Raises:
            SkippedError: The CRD does not have the agent's mode.
            KubectlError: The agent is not ready in time.
        """
        if name in self.known:
            return
        check_supported(name, load_execution_schema())
        self.apply(name, SPECS[name])
        self.wait_ready(name)
        self.known.add(name)

    def wait_ready(self, name: str) -> None:
        """Wait until an agent is ready.

        Raises:
            KubectlError: The agent is not ready in time.
        """
        wait = ("wait", f"cagent/{name}", "--for=condition=Ready", f"--timeout={READY_TIMEOUT_S}s")
        self.kubectl(*wait, timeout_s=READY_TIMEOUT_S + 10)

    def apply(self, name: str, spec: Mapping[str, Any]) -> None:
        """Apply an agent; fields of ``spec`` take precedence over the usual ones."""
        self.kubectl.apply(json.dumps(self._manifest(name, spec)))

    def uid(self, name: str) -> str:
        """Return the UID of an agent."""
        return self.kubectl("get", "cagent", name, "--output=jsonpath={.metadata.uid}").strip()

    def executor(self, name: str) -> str:
        """Return the submission id of an agent's executor."""
        return self.kubectl("get", "cagent", name, "--output=jsonpath={.status.executor.submissionId}").strip()

    def delete(self, name: str) -> None:
        """Delete an agent without waiting for its finalizer."""
        self.kubectl("delete", "cagent", name, "--ignore-not-found", "--wait=false")

    def _manifest(self, name: str, spec: Mapping[str, Any]) -> Manifest:
        model = SLOW if name in SLOW_AGENTS else "scripted"
        llm = {"provider": "openaiCompatible", "model": model, "endpoint": self.endpoint}
        usual = {"llm": llm, "ray": dict(self.ray)}
        return {
            "apiVersion": TASK_VERSION,
            "kind": "CognitiveAgent",
            "metadata": {"name": name},
            "spec": {**usual, **spec},
        }


def check_supported(name: str, execution: Mapping[str, Any]) -> None:
    """Check that the schema of ``spec.execution`` has the mode and the slots of an agent of SPECS.

    Raises:
        SkippedError: It does not.
    """
    wanted = SPECS[name].get("execution", {})
    mode = wanted.get("mode", "Embedded")
    if mode not in execution["mode"]["enum"]:
        raise SkippedError(f"the CRD of CognitiveAgent has no execution mode {mode}")
    if "job" in wanted and "warmSlots" not in execution.get("job", {}).get("properties", {}):
        raise SkippedError("the CRD of CognitiveAgent has no field execution.job.warmSlots")


def load_execution_schema(path: Path = CRD) -> dict[str, Any]:
    """Return the properties of ``spec.execution`` from the CRD."""
    (version,) = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    found: dict[str, Any] = spec["properties"]["execution"]["properties"]
    return found
