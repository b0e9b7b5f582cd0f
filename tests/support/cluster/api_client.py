"""HTTP client of the Kubernetes API: a test starts no process for a request."""

import atexit
import json
from dataclasses import dataclass
from functools import lru_cache, partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ssl import SSLEOFError
from threading import Lock
from typing import Any
from urllib.parse import urlencode, urlsplit

from controlplane import ControlPlane, Kubectl
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command
from support.eventually import eventually

Body = dict[str, Any]
GROUP = "/apis/cognitive.seedcore.io/v1alpha1"
START_TIMEOUT_S = 20.0
REQUEST_TIMEOUT_S = 20.0
BUSY_S = 20.0
TOO_MANY_REQUESTS = 429
"""The API server says so too while it prepares the storage of a new kind; kubectl sends the request again."""
CLOSED_BY_SERVER = (ConnectionError, SSLEOFError)
"""The API server closes a connection that was idle for 90 s; by TLS, a request with a body meets SSLEOFError."""
MERGE_PATCH = "application/merge-patch+json"
STRICT = {"fieldValidation": "Strict"}
"""Refuse an unknown field, as kubectl asks the API server to do by default."""
DRY_RUN = STRICT | {"dryRun": "All"}
"""Do everything that the API server does with a request, but store nothing."""


class ApiError(Exception):
    """The API server refuses a request.

    Attributes:
        message: the text of the API server alone, without the request and the status code.
    """

    def __init__(self, request: "Request", code: int, message: str) -> None:
        super().__init__(f"{request.method} {request.path}: {code} {message}")
        self.message = message


@dataclass(frozen=True)
class Request:
    """One request: its path holds no query, its body is sent as JSON."""

    method: str
    path: str
    body: Body | None = None
    query: tuple[tuple[str, str], ...] = ()
    accept: str = "application/json"

    @property
    def target(self) -> str:
        """Path and query, as the request line has them."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def headers(self) -> dict[str, str]:
        """The types of the body and of the answer."""
        sent = MERGE_PATCH if self.method == "PATCH" else "application/json"
        return {"Content-Type": sent, "Accept": self.accept}


class ApiClient:
    """Sends requests one at a time over one connection, which it opens again after the server has closed it."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._lock = Lock()

    @classmethod
    def of_plane(cls, plane: ControlPlane) -> "ApiClient":
        """Return a client that connects to the API server by HTTPS, as the cluster administrator."""
        address = urlsplit(plane.url)
        assert address.hostname is not None
        context = plane.tls_context()
        connection = HTTPSConnection(address.hostname, address.port, timeout=REQUEST_TIMEOUT_S, context=context)
        return cls(connection)

    def __call__(self, request: Request) -> Body:
        """Send a request and return the JSON object of the answer.

        Raises:
            ApiError: The API server refuses it, or the object does not exist.
            AssertionError: The API server is too busy for longer than BUSY_S.
        """
        answer, content = eventually(partial(self._answer, request), BUSY_S, 0.2)
        if answer.status >= 300:
            raise ApiError(request, answer.status, _message(content))
        found: Body = json.loads(content)
        return found

    def get(self, path: str, **query: str) -> Body:
        """Return the object or the list at a path."""
        return self(Request("GET", path, query=tuple(query.items())))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _answer(self, request: Request) -> tuple[HTTPResponse, bytes]:
        with self._lock:
            answer, content = self._send(request)
        assert answer.status != TOO_MANY_REQUESTS, ApiError(request, answer.status, _message(content))
        return answer, content

    def _send(self, request: Request) -> tuple[HTTPResponse, bytes]:
        reused = self._connection.sock is not None
        try:
            return self._exchange(request)
        except (HTTPException, OSError) as error:
            self._connection.close()
            if not (reused and isinstance(error, CLOSED_BY_SERVER)):
                raise
        return self._exchange(request)

    def _exchange(self, request: Request) -> tuple[HTTPResponse, bytes]:
        body = None if request.body is None else json.dumps(request.body, ensure_ascii=False).encode()
        self._connection.request(request.method, request.target, body, request.headers)
        answer = self._connection.getresponse()
        return answer, answer.read()


@dataclass(frozen=True)
class Namespace:
    """The custom resources of one namespace."""

    api: ApiClient
    name: str

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of the objects of a kind, or of one of them."""
        return f"{GROUP}/namespaces/{self.name}/{kind.lower()}s/{name}".rstrip("/")

    def get(self, kind: str, name: str) -> Body:
        """Return an object."""
        return self.api.get(self.path(kind, name))

    def create(self, manifest: Body, *, dry_run: bool = False) -> Body:
        """Create an object and return it with what the API server made of it."""
        return self.api(Request("POST", self.path(manifest["kind"]), manifest, _query(dry_run)))

    def patch(self, kind: str, name: str, change: Body, *, dry_run: bool = False) -> Body:
        """Merge a change into an object and return it; ``NAME/status`` is the status of an object."""
        return self.api(Request("PATCH", self.path(kind, name), change, _query(dry_run)))

    def refusal(self, manifest: Body) -> str:
        """Return the message of the API server that refuses to create an object."""
        try:
            self.create(manifest, dry_run=True)
        except ApiError as error:
            return error.message
        raise AssertionError(f"accepted: {json.dumps(manifest)[:500]}")

    def check_refusal(self, manifest: Body, *said: str) -> None:
        """Raise ``AssertionError`` if an object is accepted, or if the message of its refusal lacks a word."""
        message = self.refusal(manifest)
        assert [words for words in said if words not in message] == [], message

    def refused_change(self, kind: str, name: str, change: Body) -> str:
        """Return the message of the API server that refuses to change an object."""
        try:
            self.patch(kind, name, change, dry_run=True)
        except ApiError as error:
            return error.message
        raise AssertionError(f"{kind} {name}: changed by {json.dumps(change)[:500]}")

    def stored(self, manifest: Body) -> Body:
        """Create an object and return its spec as the API server reads it from its store."""
        self.create(manifest)
        spec: Body = self.get(manifest["kind"], manifest["metadata"]["name"])["spec"]
        return spec


@lru_cache(maxsize=8)
def proxied(kubectl: Kubectl) -> ApiClient:
    """Return the client of a kubeconfig, through a ``kubectl proxy`` that knows every kind of credential."""
    (port,) = free_ports(1)
    argv = [str(kubectl.program), f"--kubeconfig={kubectl.kubeconfig}", "proxy", f"--port={port}"]
    process = ChildProcess(Command("kubectl proxy", argv, kubectl.kubeconfig.with_suffix(".proxy.log")))
    atexit.register(process.stop, grace_s=1)
    process.wait_until(http_ok(f"http://127.0.0.1:{port}/readyz"), START_TIMEOUT_S, "a ready API")
    return ApiClient(HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S))


def _query(dry_run: bool) -> tuple[tuple[str, str], ...]:
    return tuple((DRY_RUN if dry_run else STRICT).items())


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace")
