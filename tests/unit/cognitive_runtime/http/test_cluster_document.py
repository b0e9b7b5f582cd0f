"""The HTTP API of a cluster as its OpenAPI document and its page describe it."""

import argparse
import re
import ssl
from pathlib import Path
from typing import Any

import jsonschema
from fastapi.testclient import TestClient

from cognitive_runtime.adapters.http.cluster_app import ClusterApi, create_cluster_app
from cognitive_runtime.adapters.http.replies import CLUSTER_STATUS_CODES, STATUS_CODES
from cognitive_runtime.adapters.kube.access import ApiAddress, ClusterAccess
from cognitive_runtime.bootstrap.cluster import Cluster
from cognitive_runtime.bootstrap.cluster_settings import ClusterSettings
from cognitive_runtime.bootstrap.http_server_arguments import add_serve
from cognitive_runtime.domain import CognitiveContext
from cognitive_runtime.domain.call_refused import CallRefused

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
CALLS: dict[str, dict[str, Any]] = {
    "reason-about-failure": {"incident_context": {"error": "e"}},
    "plan-task": {"task_description": "t"},
    "make-decision": {"decision_context": {"options": ["A"]}},
    "solve-problem": {"problem_statement": "p"},
    "synthesize-memory": {"memory_fragments": [{"content": "f"}]},
    "assess-capabilities": {"performance_data": {"tasks_processed": 5}},
}
ACCESS = ClusterAccess(ApiAddress("https://api.example", ssl.create_default_context()), None, "team")


def test_the_document_has_the_operations_of_a_local_core_and_their_further_failures() -> None:
    api = Cluster(ClusterSettings(agent="sre"), ACCESS).http_api()
    document = create_cluster_app(api).openapi()
    paths = document["paths"]
    calls = [path for path in paths if path.startswith("/dspy/") and path != "/dspy/status"]
    assert len(calls) == 6
    for path in calls:
        operation = paths[path]["post"]
        assert set(operation["responses"]) >= {"200", "401", "403", "404", "410", "422", "429", "503", "504"}
        assert operation["security"] == [{"HTTPBearer": []}]
    assert {"/mfb/incidents", "/dspy/status", "/health", "/cognitive/health"} <= set(paths)


def test_the_page_names_each_cause_with_its_status() -> None:
    _, _, table = PAGE.partition("A cluster adds:")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    told = {name: code for code, names in rows for name in re.findall(r"`([A-Z]\w+)`", names)}
    known = CLUSTER_STATUS_CODES | STATUS_CODES
    assert told.keys() >= CLUSTER_STATUS_CODES.keys()
    assert {name: str(known[name]) for name in told} == told


def test_the_page_names_each_option() -> None:
    parser = argparse.ArgumentParser()
    add_serve(parser, int)
    options = [each for action in parser._actions for each in action.option_strings if each.startswith("--")]
    assert [each for each in options if each != "--help" and f"| `{each}` |" not in PAGE] == []


def known_errors() -> list[str]:
    return [*STATUS_CODES, *CLUSTER_STATUS_CODES]


READ_REFUSALS = ("Unauthorized", "Forbidden", "NotFound", "InvalidRequest", "TooManyRequests", "ApiUnavailable")
"""Refusals of a read. Source: adapters/kube/refusals.py."""
REQUESTS = [
    *(("POST", f"/dspy/{path}", error, body) for path, body in CALLS.items() for error in known_errors()),
    *(("POST", "/mfb/incidents", error, {"error": "e"}) for error in READ_REFUSALS),
    *(("GET", path, error, None) for path in ("/dspy/status", "/cognitive/health") for error in READ_REFUSALS),
]


class RefusingCluster:
    """Parts of the API of a cluster that refuses every call with one error type."""

    def __init__(self) -> None:
        self.error_type = ""

    def api(self) -> ClusterApi:
        return ClusterApi(lambda _: self, self._refuse, self._refuse, self._refuse, dict, self._close)

    async def answer(self, context: CognitiveContext, *, stream: bool = False) -> dict[str, Any]:
        del context, stream
        return CallRefused(self.error_type, "refused").result()

    async def _refuse(self, *_: str | None) -> Any:
        raise CallRefused(self.error_type, "refused")

    async def _close(self) -> None:
        pass


def test_each_refusal_is_in_the_document_with_its_form() -> None:
    cluster = RefusingCluster()
    app = create_cluster_app(cluster.api())
    document, client = app.openapi(), TestClient(app)
    for method, path, error, body in REQUESTS:
        cluster.error_type = error
        reply = client.request(method, path, json=body, headers={"Authorization": "Bearer t"})
        described = document["paths"][path][method.lower()]["responses"]
        assert str(reply.status_code) in described, (path, reply.text)
        schema = described[str(reply.status_code)]["content"]["application/json"]["schema"]
        jsonschema.validate(reply.json(), schema | {"components": document["components"]})
