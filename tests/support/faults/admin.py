"""The Kubernetes API as a cluster administrator uses it, beside all proxies, for tests that block."""

import json
from collections.abc import Sequence
from typing import Self

import aiohttp

from controlplane import ControlPlane
from support.faults.evidence import Body
from support.faults.loop import LoopThread

GROUP = "/apis/cognitive.seedcore.io/v1alpha1"
LINE_BYTES = 1 << 22


class AdminApi:
    """Creates, reads, patches and deletes objects; a refusal raises with what the API server said."""

    def __init__(self, plane: ControlPlane, loop: LoopThread) -> None:
        self._url = plane.url
        self._tls = plane.tls_context()
        self._loop = loop
        self.session: aiohttp.ClientSession | None = None

    def __enter__(self) -> Self:
        self._loop.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._close())

    def create(self, namespace: str, *objects: Body) -> list[Body]:
        """Create agents and tasks, in their order."""
        return [self("POST", path_of(each["kind"], namespace), each) for each in objects]

    def get(self, kind: str, namespace: str, name: str) -> Body:
        """Return an object."""
        return self("GET", f"{path_of(kind, namespace)}/{name}")

    def patch(self, kind: str, namespace: str, name: str, change: Body, subresource: str = "") -> Body:
        """Merge-patch an object."""
        return self("PATCH", f"{path_of(kind, namespace)}/{name}{subresource}", change)

    def delete(self, kind: str, namespace: str, name: str = "") -> Body:
        """Delete one object, or all of a kind in a namespace."""
        return self("DELETE", f"{path_of(kind, namespace)}/{name}".rstrip("/"))

    def texts(self, namespaces: Sequence[str]) -> dict[str, str]:
        """Return all that may not show a secret: agents, tasks and events as JSON."""
        found = {kind: json.dumps(self("GET", f"{GROUP}/{kind}")) for kind in ("cognitiveagents", "cognitivetasks")}
        for namespace in namespaces:
            found[f"events of {namespace}"] = json.dumps(
                self("GET", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")
            )
        return found

    def __call__(self, method: str, path: str, body: Body | None = None) -> Body:
        """Send any request."""
        return self._loop.run(self.send(method, path, body))

    async def send(self, method: str, path: str, body: Body | None = None) -> Body:
        """Send any request, from a coroutine beside the proxies."""
        assert self.session is not None
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind}
        async with self.session.request(method, self._url + path, data=data, headers=headers) as answer:
            content: Body = await answer.json()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {content.get('message')}")
            return content

    async def _open(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=16)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        self.session = aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=LINE_BYTES)

    async def _close(self) -> None:
        assert self.session is not None
        await self.session.close()


def path_of(kind: str, namespace: str) -> str:
    """Return the path of a kind's objects in a namespace."""
    if kind in ("Secret", "Event"):
        return f"/api/v1/namespaces/{namespace}/{kind.lower()}s"
    return f"{GROUP}/namespaces/{namespace}/{kind.lower()}s"
