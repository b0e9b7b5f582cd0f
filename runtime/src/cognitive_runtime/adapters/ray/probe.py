"""Checks of a Ray cluster for the doctor, over HTTP and without joining the cluster."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp

from cognitive_runtime.domain.finding import Finding, failed, passed

JOB_S: Final = 90.0
"""Ray needs seconds to start a job and the first worker on each node."""
REPORT_MARK: Final = "cognitive-nodes: "
_DELETE_TRIES: Final = 4
_ENDED: Final = ("SUCCEEDED", "FAILED", "STOPPED")
_NOT_INSTALLED: Final = ("No module named cognitive_runtime", "No module named 'cognitive_runtime'")
_INSTALL_HINT: Final = (
    "use the runtime's image for head and workers, or install the same cognitive-runtime on every node"
)


@dataclass(frozen=True)
class RayProbeTiming:
    """Intervals and time limits of the checks, in seconds."""

    call_s: float = 4.0
    poll_s: float = 0.5
    settle_s: float = 2.0
    """Time for Ray to update a job's record: Ray checks its jobs every second, with calls between its nodes."""


@dataclass(frozen=True)
class Expected:
    """Expected content of the nodes."""

    runtime: str
    """Version of this package."""
    ray: str
    arguments: Sequence[str] = ()
    """Arguments of the command ``nodes``: the agent's files that every node must have."""


class RayProbe:
    """Checks of the cluster behind one dashboard."""

    def __init__(self, address: str, expected: Expected, timing: RayProbeTiming | None = None) -> None:
        self._address = address.rstrip("/")
        parts = urlsplit(self._address)
        self._name = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self._expected = expected
        self._timing = timing or RayProbeTiming()
        self._version = ""

    async def reach(self) -> Finding:
        """Check that a Ray dashboard answers."""
        if not self._address.startswith(("http://", "https://")):
            return failed(f"{self._name} is not a dashboard URL", "give one such as http://ray-head:8265")
        try:
            status, body = await self._call("GET", "/api/version")
        except TimeoutError:
            return failed(f"{self._name} does not answer", _REACH_HINT)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(f"{self._name} cannot be reached: {_reason(error)}", _REACH_HINT)
        if status in (401, 403):
            return failed(f"{self._name} requires a token (HTTP {status})", "run the doctor in a pod of the cluster")
        self._version = str(body.get("ray_version", "")) if isinstance(body, dict) else ""
        if status != 200 or not self._version:
            return failed(f"the server at {self._name} is not a Ray dashboard (HTTP {status})", _REACH_HINT)
        return passed(f"{self._name} answers")

    async def match_version(self) -> Finding:
        """Check that the cluster runs the Ray version that this runtime is installed with."""
        if self._version != self._expected.ray:
            message = f"the cluster runs Ray {self._version}, this runtime is installed with {self._expected.ray}"
            return failed(message, "use one image for both: jobs run with the cluster's Ray")
        return passed(f"Ray {self._version} on both sides")

    async def check_nodes(self) -> Finding:
        """Run a short job that reports the runtime and the agent's files of every node, and delete the job."""
        job = f"doctor-{uuid4().hex[:12]}"
        command = " ".join(["python -m cognitive_runtime nodes", *self._expected.arguments])
        body = {"submission_id": job, "entrypoint": command, "metadata": {"purpose": "doctor"}}
        try:
            status, answer = await self._call("POST", "/api/jobs/", body)
            if status != 200:
                return failed(f"Ray takes no jobs (HTTP {status}): {_last_line(answer)}", "check the dashboard's log")
            return await self._outcome(job)
        finally:
            await self._delete(job)

    async def _outcome(self, job: str) -> Finding:
        status = await self._end(job)
        _, answer = await self._call("GET", f"/api/jobs/{job}/logs")
        logs = str(answer.get("logs", "")) if isinstance(answer, dict) else ""
        report = next((line for line in logs.splitlines() if line.startswith(REPORT_MARK)), None)
        if report is not None:
            return judge_nodes(json.loads(report.removeprefix(REPORT_MARK)), self._expected.runtime)
        if any(text in logs for text in _NOT_INSTALLED):
            return failed("the head node has no cognitive_runtime", _INSTALL_HINT)
        return failed(f"a job ended as {status}: {_last_line(logs)}", "check Ray's job logs")

    async def _end(self, job: str) -> str:
        """Wait for the end of the job and return its status."""
        while True:
            status = (await self._details(job)).get("status")
            if status in _ENDED:
                return str(status)
            await asyncio.sleep(self._timing.poll_s)

    async def _details(self, job: str) -> dict[str, Any]:
        _, answer = await self._call("GET", f"/api/jobs/{job}")
        return answer if isinstance(answer, dict) else {}

    async def _delete(self, job: str) -> None:
        """Stop or delete the job. Ray may write the record of a deleted job once more, so the deletion is checked."""
        for _ in range(_DELETE_TRIES):
            with suppress(aiohttp.ClientError, OSError):
                status = (await self._details(job)).get("status")
                if status is None:
                    return
                if status not in _ENDED:
                    await self._call("POST", f"/api/jobs/{job}/stop")
                    return
                await asyncio.sleep(self._timing.settle_s)
                await self._call("DELETE", f"/api/jobs/{job}")
            await asyncio.sleep(self._timing.settle_s)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        timeout = aiohttp.ClientTimeout(total=self._timing.call_s)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, self._address + path, json=body, allow_redirects=False) as response,
        ):
            text = await response.text()
            with suppress(ValueError):
                return response.status, json.loads(text)
            return response.status, text


_REACH_HINT: Final = (
    "give the URL of the Ray dashboard (--ray-address), usually port 8265 of the head node, and check that Ray runs"
)


def judge_nodes(answers: Sequence[dict[str, Any]], runtime: str) -> Finding:
    """Return the finding for the nodes' answers. ``runtime`` is the expected version of this package."""
    absent = [f"{each['node']} ({each['error']})" for each in answers if each.get("error")]
    if absent:
        return failed(f"cognitive_runtime cannot be used on {', '.join(absent)}", _INSTALL_HINT)
    other = [f"{each['node']} has {each['runtime']}" for each in answers if each["runtime"] != runtime]
    if other:
        return failed(f"nodes with another version than {runtime}: {', '.join(other)}", _INSTALL_HINT)
    missing = [f"{each['node']} lacks {', '.join(each['missing'])}" for each in answers if each["missing"]]
    if missing:
        hint = f"mount the agent's Secret on every node, below {answers[0]['secrets_dir']}"
        return failed(f"absent or empty among the agent's secrets: {'; '.join(missing)}", hint)
    spools = [each["node"] for each in answers if not each["can_spool"]]
    if spools:
        return failed(
            f"the spool folder cannot be written on {', '.join(spools)}", "set COGNITIVE_SPOOL_DIR on Ray's nodes"
        )
    return passed(f"{len(answers)} nodes have cognitive-runtime {runtime}")


def _last_line(text: Any) -> str:
    lines = str(text).strip().splitlines()
    return lines[-1].strip()[:200] if lines else "no output"


def _reason(error: Exception) -> str:
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or type(error).__name__
