"""The doctor at Ray: a scripted dashboard for what a real one cannot be made to do, and a real head."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from cognitive_runtime.adapters.ray.probe import Expected, RayProbe, RayProbeTiming
from servers.nats import NatsServer
from servers.ray_head import RayHead
from support.cluster.ray_submissions import RaySubmissions
from support.servers.http_double import HttpDouble, Reply
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import WireBroker

pytestmark = pytest.mark.component
EXPECTED = Expected("1.0", "2.60.0")
QUICK = RayProbeTiming(poll_s=0.02, settle_s=0.02)
VERSION = Reply(json={"ray_version": "2.60.0"})


@pytest_asyncio.fixture
async def dashboard() -> AsyncIterator[HttpDouble]:
    async with HttpDouble().serve() as double:
        yield double


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401), "requires a token"),
        (Reply(200, body=b"<html>"), "not a Ray dashboard"),
        (Reply(200, json=[]), "not a Ray dashboard"),
        (Reply(502), "not a Ray dashboard (HTTP 502)"),
    ],
)
async def test_what_answers_in_ray_s_place_is_said(dashboard: HttpDouble, reply: Reply, words: str) -> None:
    dashboard.reply("GET /api/version", reply)
    found = await RayProbe(dashboard.url, EXPECTED).reach()
    assert found.status == "failed"
    assert words in found.message
    assert found.hint


async def test_no_dashboard_at_all_is_said_without_the_password() -> None:
    for address, words in (
        ("http://u:password@127.0.0.1:1", "cannot be reached: Connect call failed"),
        ("ray-head:6379", "not a dashboard URL"),
    ):
        found = await RayProbe(address, EXPECTED).reach()
        assert words in found.message
        assert "password" not in found.message


async def test_another_version_of_ray_is_named(dashboard: HttpDouble) -> None:
    dashboard.reply("GET /api/version", Reply(json={"ray_version": "2.9.3"}))
    probe = RayProbe(dashboard.url, EXPECTED)
    assert (await probe.reach()).status == "ok"
    found = await probe.match_version()
    assert found.status == "failed"
    assert "2.9.3" in found.message
    assert "2.60.0" in found.message


@pytest.mark.parametrize(
    ("logs", "words"),
    [
        ("python: No module named cognitive_runtime", "the head node has no cognitive_runtime"),
        ("first\nRuntimeError: no space left", "RuntimeError: no space left"),
        ("", "no output"),
    ],
)
async def test_a_job_that_fails_is_explained_by_its_words_and_deleted(
    dashboard: HttpDouble, logs: str, words: str
) -> None:
    jobs = _script_job(dashboard, "FAILED", logs)
    found = await RayProbe(dashboard.url, EXPECTED, QUICK).check_nodes()
    assert found.status == "failed"
    assert words in found.message
    assert ("DELETE", jobs()) in [(asked.method, asked.path) for asked in dashboard.asked]


async def test_a_job_that_takes_too_long_is_stopped(dashboard: HttpDouble) -> None:
    jobs = _script_job(dashboard, "RUNNING", "")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await RayProbe(dashboard.url, EXPECTED, QUICK).check_nodes()
    assert [(asked.method, asked.path) for asked in dashboard.asked][-1] == ("POST", f"{jobs()}/stop")


async def test_ray_that_takes_no_jobs_is_said(dashboard: HttpDouble) -> None:
    dashboard.reply("POST /api/jobs/", Reply(500, body=b"Traceback\nRuntimeError: no agent"))
    found = await RayProbe(dashboard.url, EXPECTED, QUICK).check_nodes()
    assert "HTTP 500" in found.message
    assert found.message.endswith("RuntimeError: no agent")


@pytest.mark.ray_extended
@pytest.mark.timeout(180)
async def test_the_whole_command_finds_a_sound_system_and_then_what_is_missing(
    ray_head: RayHead, nats_server: NatsServer, broker: WireBroker, agent: str
) -> None:
    folder = ray_head.secrets_directory / agent
    folder.mkdir()
    (folder / "llm-api-key").write_text("sk-12345\n")
    environ = os.environ | {
        "COGNITIVE_NATS_URL": nats_server.url,
        "COGNITIVE_SECRETS_DIR": str(ray_head.secrets_directory),
        "COGNITIVE_SPOOL_DIR": str(ray_head.spool_directory),
    }
    with ScriptedModel() as model:
        options = ["--ray-address", ray_head.address, "--namespace", "default", "--agent-uid", agent, "--infer"]
        named = ["--model-endpoint", model.url, "--model", "scripted", "--api-key-file", "llm-api-key"]

        code, told = await _doctor(environ, *options, *named)
        assert (code, {name for name, each in told.items() if each["verdict"] != "ok"}) == (0, {"llm-settings"}), told
        (request,) = model.requests
        assert request.headers["authorization"] == "Bearer sk-12345"

        (folder / "llm-api-key").write_text("")
        code, told = await _doctor(environ, *options, *named, "--only", "secrets", "--only", "ray", "--only", "model")
    assert code == 1
    assert {name for name, each in told.items() if each["verdict"] == "failed"} == {"secrets", "model", "ray-nodes"}
    assert told["ray-nodes"]["message"].endswith("127.0.0.1 lacks llm-api-key")
    jobs = await asyncio.to_thread(RaySubmissions(ray_head.address).ids)
    assert [job for job in jobs if job.startswith("doctor-")] == []


async def _doctor(environ: dict[str, str], *options: str) -> tuple[int | None, dict[str, dict[str, Any]]]:
    command = [sys.executable, "-m", "cognitive_runtime", "doctor", "--output", "json", *options]
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert b"sk-12345" not in said
    return process.returncode, {each["name"]: each for each in json.loads(said)["checks"]}


def _script_job(dashboard: HttpDouble, status: str, logs: str) -> Any:
    """Let the dashboard know every job, by whatever id it is submitted."""
    replies = {"": Reply(json={"status": status}), "/logs": Reply(json={"logs": logs}), "/stop": Reply(json={})}
    submitted: list[str] = []

    def answer(method: str, path: str, body: Any) -> Reply | None:
        if (method, path) == ("POST", "/api/jobs/"):
            submitted.append(f"/api/jobs/{body['submission_id']}")
            return Reply(json={})
        if method == "DELETE":
            replies.clear()
            return Reply(json={})
        return next((reply for end, reply in replies.items() if submitted and path == submitted[0] + end), None)

    dashboard.answer_by(answer)
    return lambda: submitted[0]
