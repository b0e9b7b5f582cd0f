"""An OpenAI-compatible server that answers at once with valid output, or misbehaves exactly as it is told.

In a test: ``with ScriptedModel() as model: model.script(status=503, times=2)``. As a process:
``python -m support.servers.scripted_model`` prints its URL; other processes script and read it over HTTP:

====== ================= ==================================================================
POST   ``/_scripts``     add a script (a JSON object with the fields of ``Script``)
DELETE ``/_scripts``     forget scripts, recorded requests and counts
GET    ``/_requests``    every recorded chat completion: body, headers, time
GET    ``/_executions``  how many calls came with each ``X-Request-Id``
GET    ``/_in_flight``   how many calls are being answered
====== ================= ==================================================================
"""

import argparse
import asyncio
import threading
import time
from collections import Counter
from dataclasses import asdict
from typing import Any, Self

from aiohttp import web

from support.servers.runners import listen
from support.servers.scripted_model_completion import completion
from support.servers.scripted_model_script import Recorded, Script
from support.servers.scripted_model_stream import event, pieces

START_TIMEOUT_S = 10.0


class ScriptedModel:
    """The server, in a thread of its own with ``with``, or in the foreground by ``serve``."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self._host = host
        self._port = port
        self._lock = threading.Lock()
        self._scripts: list[Script] = []
        self.requests: list[Recorded] = []
        self.executions: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        """Tokens of the completions that were answered, by ``X-Request-Id``; those of streams do not count."""
        self.in_flight = 0
        self.peak = 0
        """The most that were in flight at once since the last ``reset``."""
        self._started = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._released: asyncio.Event | None = None

    @property
    def url(self) -> str:
        """Address without ``/v1``."""
        return f"http://{self._host}:{self._port}"

    def script(self, **fields: Any) -> None:
        """Add a script, behind those that are there."""
        with self._lock:
            self._scripts.append(Script(**fields))

    def executions_of_attempts(self) -> dict[str, int]:
        """Return how many calls came for each task UID."""
        counts: Counter[str] = Counter()
        for request_id, count in self.executions.items():
            counts[request_id.rpartition(".")[0]] += count
        return dict(counts)

    def reset(self) -> None:
        """Forget scripts, recorded requests and counts; let the calls end that a script holds."""
        if self._loop is not None and not self._loop.is_closed():
            self.release()
        with self._lock:
            self._scripts.clear()
            self.requests.clear()
            self.executions.clear()
            self.tokens.clear()
            self.peak = self.in_flight

    def release(self) -> None:
        """Let the calls end that a script holds; those that come later are held until the next release."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._release)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise RuntimeError("the scripted model did not start")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stopped is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(START_TIMEOUT_S)

    async def serve(self, *, announce: bool = False) -> None:
        """Serve until stopped; ``announce`` prints the URL."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._released = asyncio.Event()
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        server = await listen(runner, self._host, self._port)
        self._port = server.port
        if announce:
            print(self.url, flush=True)  # noqa: T201 - whoever started this process reads it
        self._started.set()
        try:
            await self._stopped.wait()
        finally:
            await server.close()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=16 * 1024 * 1024)
        # what a client makes of a base URL is for the tests to see
        for prefix in ("", "/v1", "/v1/v1", "/v1beta/openai", "/openai/v1", "/openai/deployments/{deployment}"):
            application.router.add_post(f"{prefix}/chat/completions", self._complete)
        for prefix in ("/v1", "/v1beta/openai", "/openai/v1", "/openai"):
            application.router.add_get(f"{prefix}/models", self._models)
        application.router.add_post("/_scripts", self._add_script)
        application.router.add_delete("/_scripts", self._forget)
        application.router.add_get("/_requests", self._list_requests)
        application.router.add_get("/_executions", self._count_executions)
        application.router.add_get("/_in_flight", self._count_in_flight)
        return application

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        script = self._record(request, body)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await self._wait(script)
            if body.get("stream") and script.streams:
                return await _stream(request, script, body)
            return self._answer(request, script, body)
        finally:
            self.in_flight -= 1

    async def _wait(self, script: Script) -> None:
        if script.hang:
            await asyncio.Event().wait()
        if script.is_held:
            assert self._released is not None
            await self._released.wait()
        await asyncio.sleep(script.delay_s)

    def _release(self) -> None:
        assert self._released is not None
        self._released.set()
        self._released = asyncio.Event()

    def _answer(self, request: web.Request, script: Script, body: dict[str, Any]) -> web.Response:
        if (failure := _failure(script)) is not None:
            return failure
        answer = completion(script, body)
        self.tokens[request.headers.get("X-Request-Id", "")] += answer["usage"]["total_tokens"]
        return web.json_response(answer, headers=script.headers)

    def _record(self, request: web.Request, body: dict[str, Any]) -> Script:
        headers = {name.lower(): value for name, value in request.headers.items()} | {"path": request.path_qs}
        with self._lock:
            recorded = Recorded(body, headers, time.monotonic())
            self.requests.append(recorded)
            self.executions[recorded.request_id] += 1
            script = next((each for each in self._scripts if each.matches(body)), Script())
            if script.times is not None:
                script.times -= 1
            return script

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    async def _add_script(self, request: web.Request) -> web.Response:
        self.script(**await request.json())
        return web.json_response({})

    async def _forget(self, _: web.Request) -> web.Response:
        self.reset()
        return web.json_response({})

    async def _list_requests(self, _: web.Request) -> web.Response:
        return web.json_response([asdict(recorded) for recorded in self.requests])

    async def _count_in_flight(self, _: web.Request) -> web.Response:
        return web.json_response(self.in_flight)

    async def _count_executions(self, _: web.Request) -> web.Response:
        return web.json_response(dict(self.executions))


def _failure(script: Script) -> web.Response | None:
    if script.body is not None:
        headers = {"Content-Type": "application/json"} | script.headers
        return web.Response(status=script.status, body=script.body.encode(), headers=headers)
    if script.refuse_response_format:
        return web.json_response({"error": {"message": "response_format is not supported"}}, status=400)
    if script.status != 200:
        error = script.error or {"message": f"scripted {script.status}", "type": "scripted"}
        return web.json_response({"error": error}, status=script.status, headers=script.headers)
    return None


async def _stream(request: web.Request, script: Script, body: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"} | script.headers)
    await response.prepare(request)
    with_usage = body.get("stream_options", {}).get("include_usage", False)
    for number, piece in enumerate(pieces(completion(script, body), with_usage=with_usage)):
        await asyncio.sleep(script.piece_delay_s)
        if number == script.break_after:
            assert request.transport is not None
            request.transport.close()
            return response
        if number == script.error_after:
            await response.write(event({"error": script.error}))
            return response
        await response.write(event(piece))
    await response.write(event("[DONE]"))
    return response


def main() -> None:
    """Serve in the foreground until the process is stopped."""
    parser = argparse.ArgumentParser(prog="scripted_model")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0: a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    options = parser.parse_args()
    asyncio.run(ScriptedModel(options.port, options.host).serve(announce=True))


if __name__ == "__main__":
    main()
