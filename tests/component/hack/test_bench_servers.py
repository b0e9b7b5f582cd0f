"""The benchmark's client and its slow proxy against a real API server."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from bench.kube.api_server import ApiServer, api_server_of
from bench.kube.audit_log import AuditLog
from bench.kube.kinds import BARE_GROUP, BARE_PLURAL, Kind, bare_crd, bare_tasks
from bench.kube.objects import ObjectClient, watching
from bench.systems.hostile_ray import hung_dashboard, idle_dashboard
from bench.systems.slow_proxy import SlowProxy
from controlplane import ControlPlane, Kubectl
from support.eventually import eventually_async
from support.servers.runners import listen

pytestmark = pytest.mark.component
DELAY_S = 0.2


@pytest.fixture(scope="module")
def server(control_plane: ControlPlane) -> Iterator[ApiServer]:
    """The API server with the resource without a schema."""
    control_plane.kubectl.apply(json.dumps(bare_crd()))
    name = f"crd/{BARE_PLURAL}.{BARE_GROUP}"
    control_plane.kubectl("wait", "--for=condition=Established", name, "--timeout=30s")
    yield api_server_of(control_plane.kubeconfig_path)
    control_plane.kubectl("delete", name)


@pytest.fixture
def kind(kubectl: Kubectl) -> Kind:
    """The objects of the test's namespace."""
    return bare_tasks(str(kubectl.namespace))


@asynccontextmanager
async def slow(api: ApiServer) -> AsyncIterator[ApiServer]:
    """A proxy that answers DELAY_S later."""
    runner = web.AppRunner(SlowProxy(api, DELAY_S).application(), access_log=None, shutdown_timeout=0.1)
    server = await listen(runner)
    try:
        yield ApiServer(f"http://127.0.0.1:{server.port}", ssl.create_default_context())
    finally:
        await server.close()


async def test_objects_are_seen_to_end_and_deleted(server: ApiServer, kind: Kind, control_plane: ControlPlane) -> None:
    audit = AuditLog(control_plane.audit_log_path)
    async with watching(server, kind) as client:
        for name in ("a", "b", "c"):
            await client.create(name, "agent")
        await client.write_status("a", {"phase": "Succeeded"})
        await client.write_status("b", {"phase": "Failed"})
        await client.write_status("c", {"phase": "Running"})
        assert await client.wait(["a", "b"], 10) == []
        assert await client.wait(["c"], 0.01) == ["c"]
        assert client.timeline.outcomes == {"a": "Succeeded", "b": "Failed"}
        assert await client.count() == 3
    async with server.session() as session:
        assert await ObjectClient(session, kind).count() == 0

    async def are_logged() -> bool:  # the API server logs a request after its response
        return audit.writes()[f"patch {BARE_PLURAL}/status"] >= 3

    await eventually_async(are_logged)
    writes = audit.writes()
    assert writes[f"create {BARE_PLURAL}"] == writes[f"patch {BARE_PLURAL}/status"] == 3


async def test_a_refused_write_says_what_and_why(server: ApiServer, kind: Kind) -> None:
    async with watching(server, kind) as client:
        await client.create("a", "agent")
        with pytest.raises(RuntimeError, match=r"cannot create a at .*: 409"):
            await client.create("a", "agent")


async def test_a_watch_of_what_is_not_there_ends_the_workload(server: ApiServer, kind: Kind) -> None:
    nowhere = replace(kind, path=kind.path.replace(BARE_PLURAL, "nothing"))
    with pytest.raises(ExceptionGroup) as caught:
        async with watching(server, nowhere) as client:
            await client.wait(["a"], 10)
    assert all("404" in str(error) for error in caught.value.exceptions)


async def test_the_proxy_delays_requests_and_not_the_events_of_a_watch(server: ApiServer, kind: Kind) -> None:
    async with slow(server) as delayed, watching(delayed, kind) as client:
        took_s = []
        for name in ("a", "b", "c"):
            began = time.monotonic()
            await client.create(name, "agent")
            took_s.append(time.monotonic() - began)
        assert min(took_s) >= DELAY_S
        async with server.session() as session:
            direct = ObjectClient(session, kind)
            await asyncio.wait_for(direct.write_status("a", {"phase": "Succeeded"}), 10)
        assert await client.wait(["a"], 10) == []


async def test_a_watch_that_is_refused_for_now_is_opened_again() -> None:
    answers = [web.Response(status=429)]
    ended = json.dumps({"object": {"metadata": {"name": "a"}, "status": {"phase": "Succeeded"}}})

    async def watch(_: web.Request) -> web.Response:
        return answers.pop() if answers else web.Response(text=f"{ended}\n")

    application = web.Application()
    application.router.add_get("/{path:.*}", watch)
    server = await listen(web.AppRunner(application, access_log=None))
    try:
        url = f"http://127.0.0.1:{server.port}"
        async with ApiServer(url, ssl.create_default_context()).session() as session:
            client = ObjectClient(session, bare_tasks("any"))
            watching_ = asyncio.create_task(client.watch())
            assert await client.wait(["a"], 10) == []
            watching_.cancel()
            await asyncio.gather(watching_, return_exceptions=True)
    finally:
        await server.close()
    assert answers == []


@asynccontextmanager
async def dashboard(application: web.Application) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve a dashboard of the hostile tenant; yield a client of it."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    server = await listen(runner)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
            yield client
    finally:
        await server.close()


async def test_a_dashboard_that_hangs_answers_its_version_and_no_call_about_jobs() -> None:
    async with dashboard(hung_dashboard()) as client:
        assert (await (await client.get("/api/version")).json())["ray_version"]
        for method, path in (("POST", "/api/jobs/"), ("GET", "/api/jobs/ct-1")):
            with pytest.raises(TimeoutError):
                await client.request(method, path, timeout=aiohttp.ClientTimeout(total=0.2))


async def test_the_jobs_of_an_idle_dashboard_are_accepted_and_run() -> None:
    async with dashboard(idle_dashboard()) as client:
        assert (await client.post("/api/jobs/", json={})).status == 200
        job = await (await client.get("/api/jobs/ct-1")).json()
        assert job == {"submission_id": "ct-1", "status": "RUNNING"}
