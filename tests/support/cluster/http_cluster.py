"""The HTTP API of a cluster, callers with rights of their own, and an operator that a test plays."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cognitive_runtime.bootstrap.cluster import cluster_app
from cognitive_runtime.bootstrap.cluster_settings import ClusterSettings
from support.cluster.api_client import ApiClient, Body, Namespace, Request
from support.eventually import LIMIT_S, eventually
from support.servers.http_server import HttpServer

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"
GROUP = "cognitive.seedcore.io"
CALLER_RULES = [
    {"apiGroups": [GROUP], "resources": ["cognitivetasks"], "verbs": ["create", "get", "watch", "patch"]},
    {"apiGroups": [GROUP], "resources": ["cognitiveagents"], "verbs": ["get"]},
]
"""Rights that docs/reference/http.md tells a caller to have."""
SUCCEEDED: Body = {
    "phase": "Succeeded",
    "reason": "Succeeded",
    "result": {"thought": "t", "solution_approach": "a", "solution_steps": ["s"], "success_metrics": ["m"]},
    "reasoning": "t",
    "cacheHit": False,
    "energy": {"delta": 0.5},
    "model": {"name": "m1", "provider": "vllm"},
}
PROBLEM = {"problem_statement": "slow"}
READY: Body = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
"""Condition of an agent that can execute tasks."""


def account(api: ApiClient, namespace: str, name: str, rules: list[dict[str, Any]]) -> str:
    """Create a service account with the rights of some rules, and return a token of it."""
    names = {"metadata": {"name": name}}
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    api(Request("POST", accounts, names))
    if rules:
        api(Request("POST", f"{RBAC}/{namespace}/roles", names | {"rules": rules}))
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        api(Request("POST", f"{RBAC}/{namespace}/rolebindings", names | {"roleRef": role, "subjects": [subject]}))
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return str(api(Request("POST", f"{accounts}/{name}/token", review))["status"]["token"])


@dataclass(frozen=True)
class Caller:
    """Client of the HTTP API with a token."""

    url: str
    token: str | None

    def post(self, operation: str, body: Any, **query: Any) -> httpx.Response:
        """Call an operation and wait for its reply."""
        return self.request("POST", f"/dspy/{operation}", json=body, params=query)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request with the token."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.request(method, f"{self.url}{path}", headers=headers | more.pop("headers", {}), timeout=60, **more)


@dataclass(frozen=True)
class PlayedOperator:
    """Reads tasks and writes their statuses, as the operator does."""

    home: Namespace
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(60))

    def tasks(self) -> list[Body]:
        """Return all tasks."""
        found: list[Body] = self.home.api.get(self.home.path("CognitiveTask"))["items"]
        return found

    def wait_tasks(self, count: int = 1) -> list[Body]:
        """Wait until there are so many tasks, and return them."""
        return eventually(lambda: found if len(found := self.tasks()) >= count else None, LIMIT_S)

    def end(self, tasks: Iterable[Body], **status: Any) -> None:
        """Write the status of tasks."""
        for each in tasks:
            self.home.patch("CognitiveTask", f"{each['metadata']['name']}/status", {"status": status})

    def call(self, caller: Caller, operation: str = "solve-problem", **body: Any) -> "Future[httpx.Response]":
        """Call an operation in another thread."""
        return self.pool.submit(caller.post, operation, body or PROBLEM)

    def close(self) -> None:
        """Wait for the threads."""
        self.pool.shutdown()


@contextmanager
def serving(kubeconfig: Path, **settings: Any) -> Iterator[str]:
    """Serve a cluster on a free port, and return the address."""
    with HttpServer(lambda: cluster_app(ClusterSettings(kubeconfig=kubeconfig, **settings))) as server:
        yield server.url
