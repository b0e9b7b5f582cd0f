"""Manifests of agents and tasks, and what tests ask of them."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

from controlplane import Kubectl
from support.cluster.api_client import proxied
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import eventually

API_VERSION = "cognitive.seedcore.io/v1alpha1"
PLURALS = {"cagent": "cognitiveagents", "ctask": "cognitivetasks", "csched": "cognitiveschedules"}
INPUTS: dict[str, dict[str, Any]] = {
    "FailureAnalysis": {"error_message": "pod web-0: OOMKilled"},
    "TaskPlanning": {"task_description": "move the database to another zone"},
    "DecisionMaking": {"decision_context": {"options": ["roll back", "fix forward"]}},
    "ProblemSolving": {"problem_statement": "p99 latency doubled", "available_tools": ["tracing"]},
    "MemorySynthesis": {"memory_fragments": [{"content": "disk full"}], "synthesis_goal": "find the cause"},
    "CapabilityAssessment": {
        "performance_data": {"tasks": 50},
        "current_capabilities": {"score": 0.7},
        "target_capabilities": {"score": 0.9},
    },
}


def agent(name: str, ray: str | dict[str, Any], endpoint: str, **spec: Any) -> dict[str, Any]:
    """Return a CognitiveAgent; ``ray`` is an address or the whole field, other spec fields are merged in."""
    llm = {"model": name, "endpoint": endpoint, "maxRetries": 0, **spec.pop("llm", {})}
    return {
        "apiVersion": API_VERSION,
        "kind": "CognitiveAgent",
        "metadata": {"name": name},
        "spec": {"llm": llm, "ray": {"address": ray} if isinstance(ray, str) else ray, **spec},
    }


def task(name: str, agent_name: str, type_: str = "FailureAnalysis", **spec: Any) -> dict[str, Any]:
    """Return a CognitiveTask with an input that its type accepts."""
    return {
        "apiVersion": API_VERSION,
        "kind": "CognitiveTask",
        "metadata": {"name": name},
        "spec": {"agentRef": {"name": agent_name}, "type": type_, "input": INPUTS[type_], **spec},
    }


class Cluster:
    """One namespace, as a user with kubectl sees it.

    What tests wait for is read without kubectl: to start a program for each look takes the CPU from what they wait for.
    """

    def __init__(self, kubectl: Kubectl) -> None:
        self.kubectl = kubectl

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects in one call."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(items))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object, by the short name of its kind.

        Raises:
            ApiError: There is none.
        """
        return self._read(f"{PLURALS[kind]}/{name}")

    def status(self, name: str) -> dict[str, Any]:
        """Return the status of a task."""
        found: dict[str, Any] = self.get("ctask", name).get("status", {})
        return found

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return the status of every task."""
        items = self._read(PLURALS["ctask"])["items"]
        return {item["metadata"]["name"]: item.get("status", {}) for item in items}

    def wait_phase(self, name: str, phase: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait until a task is in a phase and return its status."""

        def reached() -> dict[str, Any]:
            status = self.status(name)
            assert status.get("phase") == phase, f"{name} is {status.get('phase')}: {status.get('message')}"
            return status

        return eventually(reached, timeout_s, 0.1)

    def observed(self, kind: str, name: str) -> bool:
        """Tell whether the operator has seen the present spec of an object."""
        body = self.get(kind, name)
        return bool(body.get("status", {}).get("observedGeneration") == body["metadata"]["generation"])

    def condition(self, name: str, type_: str, kind: str = "cagent") -> tuple[str, str, str]:
        """Return status, reason and message of a condition."""
        conditions = self.get(kind, name).get("status", {}).get("conditions", [])
        found = next((c for c in conditions if c["type"] == type_), None)
        return (found["status"], found["reason"], found["message"]) if found else ("", "", "")

    def wait_condition(
        self, name: str, type_: str, reason: str, timeout_s: float = 60.0, *, kind: str = "cagent"
    ) -> tuple[str, str]:
        """Wait until a condition has a reason; return its status and message."""

        def reached() -> tuple[str, str]:
            status, found, message = self.condition(name, type_, kind)
            assert found == reason, f"{name} {type_}={status} {found}: {message}"
            return status, message

        return eventually(reached, timeout_s, 0.2)

    def wait_ready(self, name: str, timeout_s: float = 120.0) -> None:
        """Wait until an agent takes tasks; a failure shows what its Ray jobs say."""
        try:
            assert self.wait_condition(name, "Ready", "Available", timeout_s)[0] == "True"
        except AssertionError as error:
            found = self.get("cagent", name)
            if address := found["spec"]["ray"].get("address"):
                with suppress(OSError):
                    error.add_note(RaySubmissions(address).told(found["metadata"]["uid"]))
            raise

    def _read(self, path: str) -> dict[str, Any]:
        api = proxied(replace(self.kubectl, namespace=None))
        return api.get(f"/apis/{API_VERSION}/namespaces/{self.kubectl.namespace}/{path}")
