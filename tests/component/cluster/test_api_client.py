"""The client of the Kubernetes API: errors, refusals that do not come, connections that the server closes."""

import ssl
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from controlplane.certificates import Authority
from support.builders.crd_objects import agent
from support.cluster import api_client
from support.cluster.api_client import ApiClient, ApiError, Namespace
from support.eventually import LIMIT_S

pytestmark = pytest.mark.component
BUSY = b'{"kind":"Status","code":429,"message":"storage is (re)initializing"}'
REFUSED = b'{"kind":"Status","code":422,"message":"spec.role: Required value"}'


class Server(HTTPServer):
    """Gives the next of ``answers`` to GET, the last one for ever, and ``answer`` to POST; then it disconnects."""

    answer = (201, b"{}")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.answers = [(200, b'{"kind":"APIVersions"}')]

    def secure(self, authority: Authority) -> None:
        """Serve by TLS."""
        pair = authority.issue_server("server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.socket = context.wrap_socket(self.socket, server_side=True)


class Handler(BaseHTTPRequestHandler):
    """Hands each request to its server's ``answer``."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Give the next answer of the server."""
        answers = self.server.answers
        self._send(*(answers.pop(0) if len(answers) > 1 else answers[0]))

    def do_POST(self) -> None:
        """Read the body and give the answer of the server."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(*self.server.answer)

    def log_message(self, *_: object) -> None:
        """Write nothing to the test's output."""

    def _send(self, status: int, content: bytes) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server() as made:
        if "home_by_tls" in request.fixturenames:
            made.secure(request.getfixturevalue("authority"))
        thread = Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def home(server: Server) -> Iterator[Namespace]:
    client = ApiClient(HTTPConnection("127.0.0.1", server.server_port, timeout=LIMIT_S))
    yield Namespace(client, "team")
    client.close()


@pytest.fixture
def home_by_tls(server: Server, authority: Authority) -> Iterator[Namespace]:
    context = ssl.create_default_context(cafile=str(authority.pair.certificate))
    client = ApiClient(HTTPSConnection("127.0.0.1", server.server_port, timeout=LIMIT_S, context=context))
    yield Namespace(client, "team")
    client.close()


def test_the_message_of_a_refusal_is_the_api_servers_alone(home: Namespace, server: Server) -> None:
    server.answer = (422, REFUSED)
    assert home.refusal(agent()) == "spec.role: Required value"
    with pytest.raises(ApiError, match=r"^POST /apis/.*/namespaces/team/cognitiveagents: 422 spec\.role: Required"):
        home.create(agent())
    assert server.asked == [
        "POST /apis/cognitive.seedcore.io/v1alpha1/namespaces/team/cognitiveagents?fieldValidation=Strict&dryRun=All",
        "POST /apis/cognitive.seedcore.io/v1alpha1/namespaces/team/cognitiveagents?fieldValidation=Strict",
    ]


def test_an_object_that_is_accepted_was_not_refused(home: Namespace) -> None:
    with pytest.raises(AssertionError, match="accepted:"):
        home.refusal(agent())


def test_a_connection_that_the_server_closed_is_opened_again(home: Namespace, server: Server) -> None:
    for _ in range(3):
        assert home.api.get("/api") == {"kind": "APIVersions"}
    assert server.asked == ["GET /api"] * 3


def test_a_busy_api_server_is_asked_again(home: Namespace, server: Server) -> None:
    server.answers[:0] = [(429, BUSY), (429, BUSY)]
    assert home.api.get("/api") == {"kind": "APIVersions"}
    assert server.asked == ["GET /api"] * 3


def test_an_api_server_that_stays_busy_is_told(
    home: Namespace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_client, "BUSY_S", 0.1)
    server.answers = [(429, BUSY)]
    with pytest.raises(AssertionError, match=r"GET /api: 429 storage is \(re\)initializing"):
        home.api.get("/api")


def test_a_request_with_a_body_is_sent_again_by_tls(home_by_tls: Namespace, server: Server) -> None:
    for _ in range(3):
        home_by_tls.create(agent())
    assert len(server.asked) == 3


def test_an_answer_that_is_no_status_is_told_as_it_came(home: Namespace, server: Server) -> None:
    server.answer = (502, b"bad gateway")
    with pytest.raises(ApiError, match="502 bad gateway"):
        home.create(agent())
