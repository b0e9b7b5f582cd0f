"""Answers of Ray's Jobs API over plain HTTP: the double of the tests answers the same as a real head."""

import json
import urllib.error
import urllib.request
import uuid
from importlib.metadata import version
from typing import Any

import pytest

from support.eventually import eventually
from support.ray_double.server import RayServer

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
DETAILS = {
    "type",
    "job_id",
    "submission_id",
    "driver_info",
    "status",
    "entrypoint",
    "message",
    "error_type",
    "start_time",
    "end_time",
    "metadata",
    "runtime_env",
    "driver_exit_code",
}
MESSAGES = {
    ("PENDING", "Job has not started yet. It may be waiting for the runtime environment to be set up."),
    ("RUNNING", "Job is currently running."),
    ("SUCCEEDED", "Job finished successfully."),
}
WAIT = "python -c 'import time; time.sleep(60)'"


class Api:
    """The Jobs API of one Ray, as HTTP status and text."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._address}/api/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def submit(self, submission_id: str, entrypoint: str, **env_vars: str) -> tuple[int, str]:
        environment = {"env_vars": {"MARK": submission_id, **env_vars}}
        body = {"submission_id": submission_id, "entrypoint": entrypoint, "runtime_env": environment}
        return self("POST", "jobs/", body | {"metadata": {"agent": "sre"}})

    def details(self, submission_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("GET", f"jobs/{submission_id}")[1])
        return found

    def wait(self, submission_id: str, *statuses: str) -> dict[str, Any]:
        eventually(lambda: self.details(submission_id)["status"] in statuses, 60.0, 0.1)
        return self.details(submission_id)

    def logs(self, submission_id: str) -> str:
        return str(json.loads(self("GET", f"jobs/{submission_id}/logs")[1])["logs"])


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.ray_extended)])
def api(request: pytest.FixtureRequest) -> Api:
    server: RayServer = request.getfixturevalue("ray_double" if request.param == "double" else "ray_head")
    return Api(server.address)


@pytest.fixture
def name() -> str:
    return f"ct-{uuid.uuid4().hex[:8]}-1"


def test_the_version_is_that_of_the_package(api: Api) -> None:
    status, text = api("GET", "version")
    assert (status, json.loads(text)["ray_version"]) == (200, version("ray"))


def test_a_job_goes_from_pending_over_running_to_its_end(api: Api, name: str) -> None:
    assert api.submit(name, "sleep 1; echo $MARK") == (200, json.dumps({"job_id": name, "submission_id": name}))
    seen = set()

    def has_ended() -> bool:
        job = api.details(name)
        seen.add((job["status"], job["message"]))
        return job["end_time"] is not None

    eventually(has_ended, 60.0)
    assert {status for status, _ in seen} >= {"RUNNING", "SUCCEEDED"}
    assert seen <= MESSAGES
    ended = api.details(name)
    assert (ended["driver_exit_code"], ended["error_type"], ended["type"]) == (0, None, "SUBMISSION")
    assert ended["metadata"] == {"agent": "sre"}
    assert ended["runtime_env"] == {"env_vars": {"MARK": name}}
    assert ended["start_time"] < ended["end_time"]
    assert set(ended) >= DETAILS
    listed = json.loads(api("GET", "jobs/")[1])
    assert ended in listed
    assert api.logs(name).splitlines()[-2:] == [f"Running entrypoint for job {name}: sleep 1; echo $MARK", name]


def test_a_submission_id_that_exists_is_refused_with_500(api: Api, name: str) -> None:
    api.submit(name, "true")
    status, text = api.submit(name, "false")
    assert status == 500
    assert f"Job with submission_id {name} already exists. Please use a different submission_id." in text
    assert api.wait(name, "SUCCEEDED", "FAILED")["entrypoint"] == "true"


@pytest.mark.parametrize("body", [{}, {"entrypoint": 7}, {"entrypoint": "true", "runtime_env": 7}])
def test_a_submission_that_is_none_is_refused_with_400(api: Api, body: dict[str, Any]) -> None:
    status, text = api("POST", "jobs/", body)
    assert status == 400
    assert text.splitlines()[-1].startswith("TypeError: ")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/stop"), ("GET", "/logs")])
def test_an_unknown_job_is_named_in_the_404(api: Api, method: str, path: str) -> None:
    assert api(method, f"jobs/ct-absent-1{path}") == (404, "Job ct-absent-1 does not exist")


def test_a_job_that_runs_cannot_be_deleted_and_can_be_stopped(api: Api, name: str) -> None:
    api.submit(name, WAIT)
    api.wait(name, "RUNNING")
    status, text = api("DELETE", f"jobs/{name}")
    assert status == 500
    assert f"Attempted to delete job '{name}', but it is in a non-terminal state RUNNING." in text
    assert api("POST", f"jobs/{name}/stop") == (200, json.dumps({"stopped": True}))
    stopped = api.wait(name, "STOPPED", "SUCCEEDED", "FAILED")
    assert (stopped["status"], stopped["message"]) == ("STOPPED", "Job was intentionally stopped.")
    assert (stopped["driver_exit_code"], stopped["error_type"]) == (None, None)
    assert api("DELETE", f"jobs/{name}") == (200, json.dumps({"deleted": True}))
    assert api("GET", f"jobs/{name}")[0] == 404


def test_a_job_that_ignores_sigterm_is_killed_after_three_seconds(api: Api, name: str) -> None:
    api.submit(name, "trap 'echo told' TERM; echo begun; while true; do sleep 0.2; done")
    eventually(lambda: "\nbegun" in api.logs(name), 60.0, 0.1)
    api("POST", f"jobs/{name}/stop")
    assert api.wait(name, "STOPPED")["status"] == "STOPPED"
    assert "told" in api.logs(name)


def test_a_failed_job_tells_its_code_and_its_last_ten_lines(api: Api, name: str) -> None:
    api.submit(name, "sleep 1; seq 1 30; exit 3")  # Ray writes its own line of the log beside the first of the job
    failed = api.wait(name, "SUCCEEDED", "FAILED")
    assert (failed["status"], failed["driver_exit_code"]) == ("FAILED", 3)
    assert failed["error_type"] == "JOB_ENTRYPOINT_COMMAND_ERROR"
    head, *lines = failed["message"].splitlines()
    assert head == "Job entrypoint command failed with exit code 3, last available logs (truncated to 20,000 chars):"
    assert lines == [str(number) for number in range(21, 31)]


def test_the_environment_of_one_job_is_not_that_of_another(api: Api, name: str) -> None:
    api.submit(name, "true", ONLY_HERE="1")
    api.submit(f"{name}-next", 'test -z "$ONLY_HERE" && test "$MARK" = ' + f"{name}-next")
    assert api.wait(f"{name}-next", "SUCCEEDED", "FAILED")["status"] == "SUCCEEDED"


def test_a_job_has_the_owners_folders_and_no_keys(api: Api, name: str) -> None:
    api.submit(name, 'test -d "$COGNITIVE_SECRETS_DIR" && test -d "$COGNITIVE_SPOOL_DIR" && test -z "$KUBECONFIG"')
    assert api.wait(name, "SUCCEEDED", "FAILED")["status"] == "SUCCEEDED"
