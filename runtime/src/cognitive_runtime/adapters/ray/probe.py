"""Looks at a Ray cluster for the doctor: by plain HTTP, without joining it."""

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
"""Ray takes seconds to start a job, and its first worker on each node."""
REPORT_MARK: Final = "cognitive-nodes: "
_CALL_S: Final = 4.0
_POLL_S: Final = 0.5
_FORGET_TRIES: Final = 4
_RAY_LOOKS_S: Final = 2.0
"""Ray looks after its jobs each second, with some calls between its nodes."""
_ENDED: Final = ("SUCCEEDED", "FAILED", "STOPPED")
_NOT_INSTALLED: Final = ("No module named cognitive_runtime", "No module named 'cognitive_runtime'")
_INSTALL_HINT: Final = (
    "use the runtime's image for head and workers, or install the same cognitive-runtime on every node"
)


@dataclass(frozen=True)
class Expected:
    """What the nodes should have."""

    runtime: str
    """Version of this package."""
    ray: str
    arguments: Sequence[str] = ()
    """Of the command ``nodes``: which of the agent's files must be on every node."""


class RayProbe:
    """The cluster behind one dashboard."""

    def __init__(self, address: str, expected: Expected) -> None:
        self._address = address.rstrip("/")
        parts = urlsplit(self._address)
        self._name = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self._expected = expected
        self._version = ""

    async def reach(self) -> Finding:
        """Say whether a Ray dashboard answers."""
        if not self._address.startswith(("http://", "https://")):
            return failed(f"{self._name} is no URL of a dashboard", "give one such as http://ray-head:8265")
        try:
            status, body = await self._ask("GET", "/api/version")
        except TimeoutError:
            return failed(f"{self._name} does not answer", _REACH_HINT)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(f"{self._name} cannot be reached: {_words(error)}", _REACH_HINT)
        if status in (401, 403):
            return failed(
                f"{self._name} wants a token (HTTP {status})", "run the doctor in a pod of the cluster itself"
            )
        self._version = str(body.get("ray_version", "")) if isinstance(body, dict) else ""
        if status != 200 or not self._version:
            return failed(f"what answers at {self._name} is no Ray dashboard (HTTP {status})", _REACH_HINT)
        return passed(f"{self._name} answers")

    async def match_version(self) -> Finding:
        """Say whether the cluster has the Ray that this runtime is installed with."""
        if self._version != self._expected.ray:
            message = f"the cluster runs Ray {self._version}, this runtime is installed with {self._expected.ray}"
            return failed(message, "use one image for both: jobs run with the cluster's Ray")
        return passed(f"Ray {self._version} on both sides")

    async def check_nodes(self) -> Finding:
        """Run a short job that asks every node for the runtime and for the agent's files; it leaves nothing behind."""
        job = f"doctor-{uuid4().hex[:12]}"
        command = " ".join(["python -m cognitive_runtime nodes", *self._expected.arguments])
        body = {"submission_id": job, "entrypoint": command, "metadata": {"purpose": "doctor"}}
        try:
            status, answer = await self._ask("POST", "/api/jobs/", body)
            if status != 200:
                return failed(f"Ray takes no jobs (HTTP {status}): {_last_line(answer)}", "look at the dashboard's log")
            return await self._outcome(job)
        finally:
            await self._forget(job)

    async def _outcome(self, job: str) -> Finding:
        status = await self._end(job)
        _, answer = await self._ask("GET", f"/api/jobs/{job}/logs")
        logs = str(answer.get("logs", "")) if isinstance(answer, dict) else ""
        report = next((line for line in logs.splitlines() if line.startswith(REPORT_MARK)), None)
        if report is not None:
            return judge_nodes(json.loads(report.removeprefix(REPORT_MARK)), self._expected.runtime)
        if any(text in logs for text in _NOT_INSTALLED):
            return failed("the head node has no cognitive_runtime", _INSTALL_HINT)
        return failed(f"a job ended as {status}: {_last_line(logs)}", "look at Ray's own logs of jobs")

    async def _end(self, job: str) -> str:
        """Return how the job has ended, when it has."""
        while True:
            status = (await self._details(job)).get("status")
            if status in _ENDED:
                return str(status)
            await asyncio.sleep(_POLL_S)

    async def _details(self, job: str) -> dict[str, Any]:
        _, answer = await self._ask("GET", f"/api/jobs/{job}")
        return answer if isinstance(answer, dict) else {}

    async def _forget(self, job: str) -> None:
        """Let nothing of the job stay. Ray looks once more after a job ended, and writes down one that it misses."""
        for _ in range(_FORGET_TRIES):
            with suppress(aiohttp.ClientError, OSError):
                status = (await self._details(job)).get("status")
                if status is None:
                    return
                if status not in _ENDED:
                    await self._ask("POST", f"/api/jobs/{job}/stop")
                    return
                await asyncio.sleep(_RAY_LOOKS_S)
                await self._ask("DELETE", f"/api/jobs/{job}")
            await asyncio.sleep(_RAY_LOOKS_S)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        timeout = aiohttp.ClientTimeout(total=_CALL_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, self._address + path, json=body, allow_redirects=False) as response,
        ):
            text = await response.text()
            with suppress(ValueError):
                return response.status, json.loads(text)
            return response.status, text


_REACH_HINT: Final = "give the URL of the Ray dashboard (--ray-address), port 8265 of the head, and check that Ray runs"


def judge_nodes(answers: Sequence[dict[str, Any]], runtime: str) -> Finding:
    """Return what the nodes' answers mean; ``runtime`` is the version that they should have."""
    absent = [f"{each['node']} ({each['error']})" for each in answers if each.get("error")]
    if absent:
        return failed(f"cognitive_runtime cannot be used on {', '.join(absent)}", _INSTALL_HINT)
    other = [f"{each['node']} has {each['runtime']}" for each in answers if each["runtime"] != runtime]
    if other:
        return failed(f"other versions than {runtime} here: {', '.join(other)}", _INSTALL_HINT)
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


def _words(error: Exception) -> str:
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or type(error).__name__
