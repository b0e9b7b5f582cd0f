"""Ray's Jobs REST API (port ``RayJobs``). Source: ``ray/dashboard/modules/job/job_head.py`` of Ray 2.60."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from cognitive_operator.adapters.http_client import HttpClient, HttpError, HttpRequest, HttpResponse, redacted
from cognitive_operator.errors import RayRefusedError, RayUnavailableError
from cognitive_operator.ports.ray import RayJob, RaySubmission, RayTarget

MESSAGE_CHARACTERS: Final = 8192
"""Longest message of a job. Ray puts the last lines of the log, up to 20,000 characters, at its end."""
HEAD_CHARACTERS: Final = 256
_MAX_BYTES: Final = 16 * 1024 * 1024
_MAX_LOG_BYTES: Final = 8 * 1024 * 1024
"""Ray answers a log as a whole."""


class RayJobsHttp:
    """Client for the Jobs API of many Ray clusters; a slow dashboard delays only the calls to it."""

    def __init__(self, http: HttpClient, timeout_s: float = 5.0, submit_timeout_s: float = 15.0) -> None:
        self._timeout_s = timeout_s
        self._submit_timeout_s = submit_timeout_s
        self._http = http

    async def version(self, target: RayTarget) -> str:
        """Return Ray's version: the cheapest check that the dashboard answers.

        Raises:
            RayUnavailableError: No answer, 5xx, or an answer that is not from Ray; retry.
            RayRefusedError: 3xx or 4xx.
        """
        url = f"{_base(target)}/api/version"
        answer = _accepted(url, await self._send(target, "GET", url))
        version = answer.json.get("ray_version") if isinstance(answer.json, dict) else None
        if not isinstance(version, str):
            raise RayUnavailableError(f"{redacted(url)}: the answer is not from a Ray dashboard")
        return version

    async def submit(self, target: RayTarget, submission: RaySubmission) -> None:
        """Submit a job; an existing one with the same id is adopted.

        Raises:
            RayUnavailableError: Not known whether Ray has the job: submit it again.
            RayRefusedError: 3xx or 4xx.
        """
        url = f"{_base(target)}/api/jobs/"
        answer = await self._send(target, "POST", url, submission_body(submission))
        if answer.status >= 400 and await self.get(target, submission.submission_id) is not None:
            return
        _accepted(url, answer)

    async def get(self, target: RayTarget, submission_id: str) -> RayJob | None:
        """Return a job, None if it does not exist. Raises as ``version`` does."""
        url = _job_url(target, submission_id)
        answer = await self._send(target, "GET", url)
        if _is_unknown(answer, submission_id):
            return None
        job = _job(_accepted(url, answer).json)
        if job is None:
            raise RayUnavailableError(f"{redacted(url)}: the answer is not a job of Ray")
        return job

    async def list_jobs(self, target: RayTarget) -> Sequence[RayJob]:
        """Return all submitted jobs. Raises as ``version`` does."""
        url = f"{_base(target)}/api/jobs/"
        listed = _accepted(url, await self._send(target, "GET", url)).json
        if not isinstance(listed, list):
            raise RayUnavailableError(f"{redacted(url)}: the answer is not a list of jobs")
        return [job for item in listed if (job := _job(item)) is not None]

    async def read_log(self, target: RayTarget, submission_id: str) -> str:
        """Return what a job has written, empty if it does not exist. Raises as ``version`` does, also above 8 MiB."""
        url = f"{_job_url(target, submission_id)}/logs"
        answer = await self._send(target, "GET", url, max_bytes=_MAX_LOG_BYTES)
        if _is_unknown(answer, submission_id):
            return ""
        found = _accepted(url, answer).json
        log = found.get("logs") if isinstance(found, dict) else None
        if not isinstance(log, str):
            raise RayUnavailableError(f"{redacted(url)}: the answer is not a log of Ray")
        return log

    async def stop(self, target: RayTarget, submission_id: str) -> None:
        """Ask Ray to stop a job; an unknown or finished one is not an error. Raises as ``version`` does."""
        url = f"{_job_url(target, submission_id)}/stop"
        answer = await self._send(target, "POST", url)
        if not _is_unknown(answer, submission_id):
            _accepted(url, answer)

    async def delete(self, target: RayTarget, submission_id: str) -> None:
        """Delete a finished job; an unknown or running one is not an error. Raises as ``version`` does."""
        url = _job_url(target, submission_id)
        answer = await self._send(target, "DELETE", url)
        if _is_unknown(answer, submission_id):
            return
        if answer.status >= 400 and await self._is_running(target, submission_id):
            return
        _accepted(url, answer)

    async def _is_running(self, target: RayTarget, submission_id: str) -> bool:
        job = await self.get(target, submission_id)
        return job is not None and not job.is_terminal

    async def _send(
        self,
        target: RayTarget,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        max_bytes: int = _MAX_BYTES,
    ) -> HttpResponse:
        timeout_s = self._submit_timeout_s if body is not None else self._timeout_s
        headers = {"Authorization": f"Bearer {target.token}"} if target.token else {}
        try:
            return await self._http.send(HttpRequest(method, url, timeout_s, max_bytes, body, headers))
        except HttpError as error:
            raise RayUnavailableError(str(error)) from error


def submission_body(submission: RaySubmission) -> dict[str, Any]:
    """Return the body of a submission. A job that reserves nothing has no field for it, and runs on the head."""
    body: dict[str, Any] = {
        "submission_id": submission.submission_id,
        "entrypoint": submission.entrypoint,
        "runtime_env": {"env_vars": dict(submission.env_vars)},
        "metadata": dict(submission.metadata),
    }
    if submission.cpus:
        body["entrypoint_num_cpus"] = submission.cpus
    if submission.memory_bytes:
        body["entrypoint_memory"] = submission.memory_bytes
    return body


def _base(target: RayTarget) -> str:
    if not target.url.startswith(("http://", "https://")):
        raise RayRefusedError(f"{target.url}: not a URL of a Ray dashboard, such as http://ray-head:8265")
    return target.url.rstrip("/")


def _job_url(target: RayTarget, submission_id: str) -> str:
    return f"{_base(target)}/api/jobs/{quote(submission_id, safe='')}"


def _is_unknown(answer: HttpResponse, submission_id: str) -> bool:
    """Return True for Ray's own 404, which names the job, and False for that of a proxy before it."""
    return answer.status == 404 and submission_id in answer.text


def _accepted(url: str, answer: HttpResponse) -> HttpResponse:
    if answer.status < 300:
        return answer
    if answer.status < 400:
        target = redacted(answer.location or "")
        raise RayRefusedError(
            f"{redacted(url)}: HTTP {answer.status} redirects to {target}; redirects are not followed"
        )
    message = f"{redacted(url)}: HTTP {answer.status} {_last_line(answer)}"
    if answer.status in (404, 408, 429) or answer.status >= 500:
        raise RayUnavailableError(message)
    raise RayRefusedError(message)


def _last_line(answer: HttpResponse) -> str:
    """Return the last line of a text, since Ray answers a traceback whose last line is the error."""
    lines = answer.content[-4096:].decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""


def _job(item: Any) -> RayJob | None:
    """Return a job of Ray's list, None for one that was not submitted through the API."""
    if not isinstance(item, dict) or not isinstance(item.get("submission_id"), str):
        return None
    metadata, code = item.get("metadata"), item.get("driver_exit_code")
    return RayJob(
        submission_id=item["submission_id"],
        status=str(item.get("status")),
        message=_cut_middle(str(item.get("message") or "")),
        exit_code=code if isinstance(code, int) else None,
        metadata={str(key): str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {},
    )


def _cut_middle(message: str) -> str:
    """Return the first line and the end of a long message."""
    if len(message) <= MESSAGE_CHARACTERS:
        return message
    head = message.partition("\n")[0][:HEAD_CHARACTERS]
    return f"{head}\n{message[len(head) + 1 - MESSAGE_CHARACTERS :]}"
