"""Base of the servers that behave as well-known models do."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from support.model_servers.answers import answer_to

PROMPT_TOKENS, ANSWER_TOKENS = 100, 50


class Refused(Exception):
    """The server refuses a request."""

    def __init__(self, parameter: str, status: int, body: Any) -> None:
        super().__init__(parameter)
        self.parameter = parameter
        self.status = status
        self.body = body


class ModelDouble:
    """Server of one model: refuses what the real one refuses, with its status and body, and answers otherwise."""

    source: ClassVar[str]
    """Public document or issue that the behaviour is taken from."""
    model: ClassVar[str]
    provider: ClassVar[str] = "openaiCompatible"
    reasoning_tokens: ClassVar[int] = 0

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.refused: Counter[str] = Counter()
        self.repeated: list[str] = []
        """Parameters that were sent again after the client had learnt that they are refused."""
        self._learnt: set[str] = set()
        self._lock = threading.Lock()

    def judge(self, body: dict[str, Any]) -> None:
        """Raise ``Refused`` for what the real server refuses."""

    def message(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the message of the answer."""
        return {"content": answer_to(body)}

    def respond(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and body of a response."""
        with self._lock:
            self.bodies.append(body)
            try:
                self.judge(body)
            except Refused as refusal:
                self.refused[refusal.parameter] += 1
                if refusal.parameter in self._learnt:
                    self.repeated.append(refusal.parameter)
                return refusal.status, refusal.body
            self._learnt |= set(self.refused)
            return 200, self._completion(body)

    @contextmanager
    def serve(self) -> Iterator["ModelDouble"]:
        """Listen on a free port of 127.0.0.1."""
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try:
                    status, response = double.respond(body)
                except AssertionError as error:
                    status, response = 404, {"error": {"message": f"the test's server cannot answer: {error}"}}
                raw = json.dumps(response).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        completion_tokens = ANSWER_TOKENS + self.reasoning_tokens
        message = {"role": "assistant"} | self.message(body)
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": PROMPT_TOKENS,
                "completion_tokens": completion_tokens,
                "total_tokens": PROMPT_TOKENS + completion_tokens,
                "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            },
        }
