"""The proxies of the fault suite: what they pass on, and what they do to what is named."""

import asyncio
import contextlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nats
import nats.errors
import pytest

from servers.nats import NatsServer
from support.eventually import eventually, eventually_async
from support.faults.http_proxy import HttpProxy, Upstream
from support.faults.loop import LoopThread
from support.faults.nats_proxy import NatsProxy
from support.faults.switch import Call, Fault, Reply, Switchboard, to
from support.servers.nats_client import settle
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]


@contextmanager
def opened(loop: LoopThread, proxy: Any) -> Iterator[Any]:
    loop.run(proxy.__aenter__())
    yield proxy
    loop.run(proxy.__aexit__())


@pytest.fixture
def switch() -> Switchboard:
    return Switchboard()


@pytest.fixture
def web(switch: Switchboard, model: ScriptedModel) -> Iterator[HttpProxy]:
    with LoopThread() as loop, opened(loop, HttpProxy(Upstream("web", model.url), switch)) as proxy:
        yield proxy


def ask(proxy: HttpProxy, timeout_s: float = 5.0) -> int:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    request = urllib.request.Request(
        f"{proxy.url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        return int(answer.status)


def test_http_passes_undisturbed_calls_on_and_notes_them(web: HttpProxy, switch: Switchboard, model: Any) -> None:
    assert ask(web) == 200
    assert len(model.requests) == 1
    assert switch.calls() == [Call("web", "POST", "/v1/chat/completions")]


@pytest.mark.parametrize(
    ("fault", "arrived"),
    [
        (Fault(to("web"), reply=Reply(503)), 0),
        (Fault(to("web"), cut="before"), 0),
        (Fault(to("web"), cut="after"), 1),
        (Fault(to("web"), silent="before"), 0),
        (Fault(to("web"), silent="after"), 1),
    ],
)
def test_http_disturbs_what_is_named(
    web: HttpProxy, switch: Switchboard, model: ScriptedModel, fault: Fault, arrived: int
) -> None:
    switch.add(fault)
    with pytest.raises((urllib.error.URLError, TimeoutError, http.client.HTTPException, ConnectionError)) as caught:
        ask(web, 1.0)
    if isinstance(caught.value, urllib.error.HTTPError):
        caught.value.close()
    eventually(lambda: len(model.requests) >= arrived)
    assert len(model.requests) == arrived
    switch.clear()
    assert ask(web) == 200


def test_http_doubles_a_call_and_strikes_once(web: HttpProxy, switch: Switchboard, model: ScriptedModel) -> None:
    struck: list[int] = []
    switch.add(Fault(to("web"), times=1, skip=1, twice=True, strike="after", act=lambda: struck.append(1)))
    assert [ask(web) for _ in range(3)] == [200] * 3
    assert (len(model.requests), struck) == (4, [1])


@pytest.mark.parametrize(
    ("fault", "arrived"),
    [
        (Fault(to("broker", target="hit")), 1),
        (Fault(to("broker", target="hit"), twice=True), 2),
        (Fault(to("broker", target="hit"), silent="before"), 0),
        (Fault(to("broker", target="hit"), cut="before"), 0),
        (Fault(to("broker", target="hit"), cut="after"), 1),
        (Fault(to("broker", target="other"), cut="before"), 1),
    ],
)
async def test_nats_disturbs_what_is_named(
    nats_server: NatsServer, switch: Switchboard, fault: Fault, arrived: int
) -> None:
    switch.add(fault)
    listener = await nats.connect(nats_server.url)
    heard = await listener.subscribe("hit.me")
    await settle(listener)
    async with NatsProxy("broker", nats_server.url, switch) as proxy:
        client = await nats.connect(proxy.url, allow_reconnect=False)
        await client.publish("hit.me", b"payload\r\nPUB other 0", headers={"a": "b"})
        with contextlib.suppress(nats.errors.Error):  # cut off is what it may be
            await client.flush(timeout=1)

        async def is_heard() -> bool:
            return heard.pending_msgs >= arrived

        await eventually_async(is_heard)
        await settle(listener)
        assert heard.pending_msgs == arrived
        assert switch.calls()[-1] == Call("broker", "PUB", "hit.me")
        await client.close()
    await listener.close()


async def greeting(url: str) -> bytes:
    """Return the first bytes that a server sends."""
    host, _, port = url.removeprefix("nats://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        return await reader.readexactly(4)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_nats_severed_takes_no_connection_until_it_is_healed(
    nats_server: NatsServer, switch: Switchboard
) -> None:
    async with NatsProxy("broker", nats_server.url, switch) as proxy:
        client = await nats.connect(proxy.url, allow_reconnect=False)
        await proxy.sever()

        async def is_cut_off() -> bool:
            return not client.is_connected

        await eventually_async(is_cut_off)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await greeting(proxy.url)
        await proxy.heal()
        assert await greeting(proxy.url) == b"INFO"
        await client.close()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call("api", "PATCH", "/apis"), True),
        (Call("api", "GET", "/apis"), False),
        (Call("broker", "PUB", "agent.request.a.b.c.1"), True),
        (Call("broker", "PUB", "$JS.ACK.AGENT_RESPONSES.x"), True),
        (Call("broker", "PUB", "$JS.API.STREAM.PURGE.KV_claims"), True),
        (Call("broker", "PUB", "$JS.API.STREAM.INFO.KV_claims"), False),
        (Call("broker", "PUB", "$JS.API.CONSUMER.MSG.NEXT.AGENT_RESPONSES.cognitive-operator"), False),
    ],
)
def test_a_write_is_told_from_a_question(call: Call, expected: bool) -> None:
    assert call.is_write is expected
