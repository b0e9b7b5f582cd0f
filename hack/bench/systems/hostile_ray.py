"""``python -m bench.systems.hostile_ray``: two Ray dashboards of a tenant that means harm.

The first answers its version and nothing else: every call about a job hangs. The second takes every job, reports it as
running and never runs it, so that another process can answer in the place of its executor.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

HOST = "127.0.0.1"
VERSION = {"version": "4", "ray_version": "2.60.0", "ray_commit": "", "session_name": ""}


def hung_dashboard() -> web.Application:
    """Return a dashboard that answers its version and hangs on every call about jobs."""
    return _application(_hang)


def idle_dashboard() -> web.Application:
    """Return a dashboard whose jobs are accepted, run for ever and do nothing."""
    return _application(_running)


async def serve(ports: dict[int, web.Application]) -> None:
    """Serve each application on its port until cancelled."""
    runners = [
        web.AppRunner(each, access_log=None, shutdown_timeout=0.1, handler_cancellation=True) for each in ports.values()
    ]
    for runner, port in zip(runners, ports, strict=True):
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
    try:
        await asyncio.Event().wait()
    finally:
        for runner in runners:
            await runner.cleanup()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="hostile_ray", description=__doc__)
    parser.add_argument("--hung-port", type=int, required=True, help="port of the dashboard that hangs")
    parser.add_argument("--idle-port", type=int, required=True, help="port of the dashboard whose jobs do nothing")
    options = parser.parse_args()
    asyncio.run(serve({options.hung_port: hung_dashboard(), options.idle_port: idle_dashboard()}))


def _application(answer: Callable[[web.Request], Awaitable[web.Response]]) -> web.Application:
    application = web.Application()
    application.router.add_get("/api/version", _version)
    application.router.add_route("*", "/api/jobs/{path:.*}", answer)
    return application


async def _version(_: web.Request) -> web.Response:
    return web.json_response(VERSION)


async def _hang(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def _running(request: web.Request) -> web.Response:
    if request.method != "GET":
        return web.json_response({})
    return web.json_response({"submission_id": request.match_info["path"], "status": "RUNNING"})


if __name__ == "__main__":
    main()
