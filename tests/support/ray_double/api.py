"""The calls of Ray's dashboard that the operator, the runtime's doctor and the tests use."""

import asyncio
import signal
from importlib.metadata import version
from pathlib import Path

from aiohttp import web

from support.ray_double.jobs import Job, JobExistsError, JobRunsError, Jobs, Submission


class JobsApi:
    """``/api/version`` and ``/api/jobs/``."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def application(self) -> web.Application:
        """Return the routes."""
        application = web.Application()
        application.router.add_get("/api/version", self._version)
        application.router.add_get("/api/jobs/", self._list)
        application.router.add_post("/api/jobs/", self._submit)
        application.router.add_get("/api/jobs/{id}", self._get)
        application.router.add_delete("/api/jobs/{id}", self._delete)
        application.router.add_post("/api/jobs/{id}/stop", self._stop)
        application.router.add_get("/api/jobs/{id}/logs", self._logs)
        return application

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "4", "ray_version": version("ray"), "ray_commit": "", "session_name": ""})

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response([job.details() for job in self._jobs.all()])

    async def _submit(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            submission = Submission(**{name: value for name, value in body.items() if value is not None})
        except TypeError as error:
            return _traceback(400, f"TypeError: {error}")
        try:
            self._jobs.submit(submission)
        except JobExistsError as error:
            return _traceback(500, f"RuntimeError: Request failed with status code 400: ValueError: {error}")
        return web.json_response({"job_id": submission.submission_id, "submission_id": submission.submission_id})

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(self._known(request).details())

    async def _delete(self, request: web.Request) -> web.Response:
        try:
            self._jobs.delete(self._known(request))
        except JobRunsError as error:
            return _traceback(500, f"RuntimeError: Request failed with status code 500: RuntimeError: {error}")
        return web.json_response({"deleted": True})

    async def _stop(self, request: web.Request) -> web.Response:
        return web.json_response({"stopped": self._known(request).stop()})

    async def _logs(self, request: web.Request) -> web.Response:
        return web.json_response({"logs": self._known(request).logs()})

    def _known(self, request: web.Request) -> Job:
        submission_id = request.match_info["id"]
        job = self._jobs.get(submission_id)
        if job is None:
            raise web.HTTPNotFound(text=f"Job {submission_id} does not exist")
        return job


async def serve(port: int, directory: Path) -> None:
    """Serve until SIGTERM, from the moment when jobs start at once."""
    terminated = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    jobs = Jobs(directory)
    await jobs.wait_ready()
    runner = web.AppRunner(JobsApi(jobs).application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await terminated.wait()
    await runner.cleanup()
    await jobs.close()


def _traceback(status: int, last_line: str) -> web.Response:
    return web.Response(status=status, text=f"Traceback (most recent call last):\n{last_line}\n")
