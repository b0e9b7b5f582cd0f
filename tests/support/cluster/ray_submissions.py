"""Ray jobs as the operator submits them: by plain HTTP."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from support.eventually import eventually

SUBMIT_TIMEOUT_S = 30.0
TOLD_CHARS = 2000
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")


@dataclass(frozen=True)
class RaySubmissions:
    """The Jobs API of one Ray head."""

    address: str

    def executor(self, agent_uid: str, nats_url: str, submission_id: str, *arguments: str, **env: str) -> None:
        """Submit the executor of an agent, with further variables in its environment."""
        entrypoint = f"python -m cognitive_runtime executor --namespace default --agent-uid {agent_uid}"
        self.submit(submission_id, " ".join([entrypoint, *arguments]), nats_url, **env)

    def attempt(self, subject: str, nats_url: str, submission_id: str) -> None:
        """Submit one attempt in Job mode: the entrypoint holds the subject and nothing that a user wrote."""
        self.submit(submission_id, f"python -m cognitive_runtime attempt {subject}", nats_url)

    def submit(self, submission_id: str, entrypoint: str, nats_url: str, **env: str) -> None:
        variables = {"COGNITIVE_NATS_URL": nats_url, "COGNITIVE_SUBMISSION_ID": submission_id, **env}
        body = {
            "submission_id": submission_id,
            "entrypoint": entrypoint,
            "runtime_env": {"env_vars": variables},
        }
        eventually(lambda: self._submit_or_adopt(submission_id, body), SUBMIT_TIMEOUT_S, 0.5)

    def details(self, submission_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._call("GET", submission_id)
        return found

    def jobs(self) -> list[dict[str, Any]]:
        """Return the details of all jobs that were submitted and that Ray still knows."""
        return [job for job in self._call("GET", "") if job.get("submission_id")]

    def ids(self) -> set[str]:
        """Return the submission ids of all jobs that Ray knows."""
        return {str(job["submission_id"]) for job in self.jobs()}

    def logs(self, submission_id: str) -> str:
        return str(self._call("GET", f"{submission_id}/logs")["logs"])

    def told(self, name_part: str) -> str:
        """Return the status and the last log lines of all jobs with such an id, for people."""
        return "\n".join(self._told(each) for each in sorted(self.ids()) if name_part in each)

    def stop(self, submission_id: str) -> None:
        self._call("POST", f"{submission_id}/stop")

    def wait(self, submission_id: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """Return a job's details as soon as it has ended."""
        eventually(lambda: self.details(submission_id)["status"] in ENDED, timeout_s, 0.2)
        return self.details(submission_id)

    def end(self, submission_id: str) -> None:
        """Stop a job if it runs."""
        try:
            self.stop(submission_id)
        except urllib.error.HTTPError:
            return
        self.wait(submission_id)

    def _told(self, submission_id: str) -> str:
        job = self.details(submission_id)
        return f"{submission_id} {job['status']}: {job['message']}\n{self.logs(submission_id)[-TOLD_CHARS:]}"

    def _submit_or_adopt(self, submission_id: str, body: dict[str, Any]) -> bool:
        """Submit; a head whose agent is not up yet answers 500, as it does for an id that exists."""
        try:
            self._call("POST", "", body)
        except urllib.error.HTTPError as error:
            return error.code == HTTPStatus.INTERNAL_SERVER_ERROR and self._exists(submission_id)
        return True

    def _exists(self, submission_id: str) -> bool:
        try:
            return bool(self.details(submission_id))
        except urllib.error.HTTPError:
            return False

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.address}/api/jobs/{path}",
            json.dumps(body).encode() if body is not None else None,
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
