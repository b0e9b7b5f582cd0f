"""Manifests of agents and tasks, and what tests ask of them."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

from controlplane import Kubectl
from support.cluster.api_client import ApiClient, Request, proxied
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import eventually

API_VERSION = "cognitive.seedcore.io/v1alpha1"
COLLECTIONS = {
    "cagent": (f"apis/{API_VERSION}", "cognitiveagents"),
    "ctask": (f"apis/{API_VERSION}", "cognitivetasks"),
    "csched": (f"apis/{API_VERSION}", "cognitiveschedules"),
    "csig": (f"apis/{API_VERSION}", "cognitivesignatures"),
    "raycluster": ("apis/ray.io/v1", "rayclusters"),
    "deployment": ("apis/apps/v1", "deployments"),
    "service": ("api/v1", "services"),
    "secret": ("api/v1", "secrets"),
    "event": ("api/v1", "events"),
    "pod": ("api/v1", "pods"),
    "persistentvolumeclaim": ("api/v1", "persistentvolumeclaims"),
}
"""Group with version, and plural, by the name of a kind that kubectl takes."""
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


def custom(name: str, agent_name: str, signature: str = "triage", **spec: Any) -> dict[str, Any]:
    """Return a CognitiveTask of a signature, with an input for that of ``crd_objects.signature``."""
    own = {"type": "Custom", "signatureRef": {"name": signature}, "input": {"log": "OOMKilled", "retries": 1}}
    return task(name, agent_name, **own | spec)


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
        return self._api.get(f"{self._path(kind)}/{name}")

    def patch(self, kind: str, name: str, change: dict[str, Any]) -> None:
        """Merge a change into an object; ``NAME/status`` is the status of an object."""
        self._api(Request("PATCH", f"{self._path(kind)}/{name}", change))

    def items(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind that have some labels."""
        query = {"labelSelector": selector} if selector else {}
        found: list[dict[str, Any]] = self._api.get(self._path(kind), **query)["items"]
        return found

    def status(self, name: str) -> dict[str, Any]:
        """Return the status of a task."""
        found: dict[str, Any] = self.get("ctask", name).get("status", {})
        return found

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return the status of every task."""
        return {item["metadata"]["name"]: item.get("status", {}) for item in self.items("ctask")}

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
        """Wait until an agent accepts tasks; a failure shows what its Ray jobs say."""
        try:
            assert self.wait_condition(name, "Ready", "Available", timeout_s)[0] == "True"
        except AssertionError as error:
            found = self.get("cagent", name)
            if address := found["spec"]["ray"].get("address"):
                with suppress(OSError):
                    error.add_note(RaySubmissions(address).told(found["metadata"]["uid"]))
            raise

    @property
    def _api(self) -> ApiClient:
        return proxied(replace(self.kubectl, namespace=None))

    def _path(self, kind: str) -> str:
        version, plural = COLLECTIONS[kind]
        return f"/{version}/namespaces/{self.kubectl.namespace}/{plural}"
