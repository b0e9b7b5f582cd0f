"""An operator that ends every task of a namespace at once, played by a thread."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from controlplane import ControlPlane
from support.cluster.api_client import ApiClient, Body, Namespace
from support.cluster.http_cluster import SUCCEEDED

WATCH_S: Final = 2
"""Duration of one watch, and so the longest time until the thread ends."""
_TEXT, _LIST = "a", ["a"]
OUTPUTS: Final[dict[str, dict[str, Any]]] = {
    "FailureAnalysis": {"proposed_solution": _TEXT, "confidence_score": 0.5},
    "TaskPlanning": {
        "step_by_step_plan": _LIST,
        "estimated_complexity": 3,
        "complexity_rationale": _TEXT,
        "risk_assessment": _LIST,
    },
    "DecisionMaking": {"reasoning": _TEXT, "decision": _TEXT, "confidence": 0.5, "alternative_options": _LIST},
    "ProblemSolving": {"solution_approach": _TEXT, "solution_steps": _LIST, "success_metrics": _LIST},
    "MemorySynthesis": {"synthesized_insight": _TEXT, "confidence_level": 0.5, "related_patterns": _LIST},
    "CapabilityAssessment": {
        "capability_gaps": _LIST,
        "improvement_plan": _LIST,
        "priority_recommendations": _LIST,
    },
}
"""Outputs of each task type beside the thought. Source: docs/concepts/tasks.md."""


@contextmanager
def answering(plane: ControlPlane, home: Namespace) -> Iterator[None]:
    """Write the status of each task of a namespace: Succeeded, with the outputs of its type."""
    client, is_over = ApiClient.of_plane(plane), Event()
    thread = Thread(target=_answer_all, args=(plane, Namespace(client, home.name), is_over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(5 * WATCH_S)
        client.close()


def _answer_all(plane: ControlPlane, home: Namespace, is_over: Event) -> None:
    version = home.api.get(home.path("CognitiveTask"))["metadata"]["resourceVersion"]
    while not is_over.is_set():
        for event in _watch(plane, home, version):
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] == "ADDED":
                _end(home, event["object"])


def _end(home: Namespace, task: Body) -> None:
    result = {"thought": "t", **OUTPUTS[task["spec"]["type"]]}
    home.patch("CognitiveTask", f"{task['metadata']['name']}/status", {"status": SUCCEEDED | {"result": result}})


def _watch(plane: ControlPlane, home: Namespace, version: str) -> Iterator[Body]:
    address = urlsplit(plane.url)
    query = urlencode({"watch": "true", "resourceVersion": version, "timeoutSeconds": WATCH_S})
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, timeout=5 * WATCH_S, context=plane.tls_context()
    )
    try:
        connection.request("GET", f"{home.path('CognitiveTask')}?{query}")
        for line in connection.getresponse():
            yield json.loads(line)
    finally:
        connection.close()
