import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from cognitive_operator.adapters.http_client import HttpClient
from cognitive_operator.adapters.ray.jobs import RayJobsHttp
from cognitive_operator.errors import RayRefusedError, RayUnavailableError
from cognitive_operator.ports.ray import RayJob, RayJobs, RaySubmission, RayTarget
from support.eventually import LIMIT_S, eventually_async
from support.servers.http_double import HANG, HttpDouble, Reply

pytestmark = pytest.mark.component

RESERVED = ("entrypoint_num_cpus", "entrypoint_memory")
WAIT = "python -c 'import time; time.sleep(60)'"


def submission(submission_id: str, entrypoint: str = "true") -> RaySubmission:
    return RaySubmission(submission_id, entrypoint, {"COGNITIVE_SUBMISSION_ID": submission_id}, {"agent": "sre"})


def at(url: str) -> RayTarget:
    return RayTarget(url)


@pytest.fixture
async def jobs() -> AsyncIterator[RayJobsHttp]:
    async with HttpClient(proxies=False) as client:
        yield RayJobsHttp(client, timeout_s=LIMIT_S)


@pytest.fixture
async def hasty() -> AsyncIterator[RayJobsHttp]:
    async with HttpClient(proxies=False) as client:
        yield RayJobsHttp(client, timeout_s=2, submit_timeout_s=0.3)


async def ended(jobs: RayJobs, address: str, submission_id: str) -> RayJob:
    async def terminal() -> RayJob | None:
        job = await jobs.get(at(address), submission_id)
        return job if job is not None and job.is_terminal else None

    job = await eventually_async(terminal, timeout_s=60, interval_s=0.2)
    assert job is not None
    return job


@pytest.mark.timeout(120)
async def test_ray_runs_adopts_stops_and_forgets_jobs(jobs: RayJobsHttp, ray_address: str) -> None:
    address = f"{ray_address}/"
    assert (await jobs.version(at(address))).count(".") == 2
    assert await jobs.get(at(address), "ct-absent-1") is None
    reserving = replace(submission("ct-a-1", 'test "$COGNITIVE_SUBMISSION_ID" = ct-a-1'), cpus=0.1, memory_bytes=1024)
    await jobs.submit(at(address), reserving)
    await jobs.submit(at(address), submission("ct-a-1", "false"))
    await jobs.submit(at(address), submission("ct-b-1", WAIT))
    done = await ended(jobs, address, "ct-a-1")
    assert (done.status, done.metadata) == ("SUCCEEDED", {"agent": "sre"})
    await jobs.delete(at(address), "ct-b-1")
    await jobs.stop(at(address), "ct-a-1")
    await jobs.stop(at(address), "ct-b-1")
    assert (await ended(jobs, address, "ct-b-1")).status == "STOPPED"
    listed = {job.submission_id: job for job in await jobs.list_jobs(at(address))}
    assert listed["ct-a-1"] == done
    for submission_id in ("ct-a-1", "ct-b-1", "ct-absent-1"):
        await jobs.delete(at(address), submission_id)
        await jobs.stop(at(address), submission_id)
        assert await jobs.get(at(address), submission_id) is None


@pytest.mark.timeout(120)
async def test_a_job_that_fails_says_why_in_bounded_words(jobs: RayJobsHttp, ray_address: str) -> None:
    noise = 'python -c \'import sys; print("x" * 20000); print("the cause"); sys.exit(3)\''
    await jobs.submit(at(ray_address), submission("ct-fails-1", noise))
    failed = await ended(jobs, ray_address, "ct-fails-1")
    assert (failed.status, failed.exit_code) == ("FAILED", 3)
    lines = failed.message.splitlines()
    assert lines[0].startswith("Job entrypoint command failed with exit code 3")
    assert lines[-1] == "the cause"
    assert len(failed.message) <= 8192
    assert (await jobs.read_log(at(ray_address), "ct-fails-1")).splitlines()[-1] == "the cause"
    assert await jobs.read_log(at(ray_address), "ct-absent-1") == ""


@pytest.mark.parametrize("reply", [Reply(200, {"logs": None}), Reply(200, ["log"]), Reply(502, {})])
async def test_a_log_that_is_none_is_an_outage_of_ray(jobs: RayJobsHttp, http: HttpDouble, reply: Reply) -> None:
    http.reply("GET /api/jobs/ct-a-1/logs", reply)
    with pytest.raises(RayUnavailableError):
        await jobs.read_log(at(http.url), "ct-a-1")


async def test_only_a_job_that_reserves_cpus_or_memory_leaves_the_head(jobs: RayJobsHttp, http: HttpDouble) -> None:
    http.reply("POST /api/jobs/", Reply(json={"submission_id": "ct-a-1"}))
    await jobs.submit(at(http.url), submission("ct-a-1"))
    await jobs.submit(at(http.url), replace(submission("ca-a-1"), cpus=0.1))
    await jobs.submit(at(http.url), replace(submission("ct-a-2"), memory_bytes=1024))
    reserved = [{name: value for name, value in asked.json.items() if name in RESERVED} for asked in http.asked]
    assert reserved == [{}, {"entrypoint_num_cpus": 0.1}, {"entrypoint_memory": 1024}]


async def test_a_submission_that_nobody_confirmed_is_adopted(hasty: RayJobsHttp, http: HttpDouble) -> None:
    http.reply("POST /api/jobs/", HANG, Reply(500, body=b"Traceback\nValueError: Job with submission_id exists"))
    http.reply("GET /api/jobs/ct-a-1", Reply(json={"submission_id": "ct-a-1", "status": "RUNNING"}))
    with pytest.raises(RayUnavailableError, match=r"no answer within 0\.3 s"):
        await hasty.submit(at(http.url), submission("ct-a-1"))
    await hasty.submit(at(http.url), submission("ct-a-1"))


async def test_a_submission_that_failed_is_told_with_rays_last_words(jobs: RayJobsHttp, http: HttpDouble) -> None:
    http.reply("POST /api/jobs/", Reply(500, body=b"Traceback\n  File x\nRuntimeError: no agent\n"), Reply(400))
    http.reply("GET /api/jobs/ct-a-1", Reply(404, body=b"Job ct-a-1 does not exist"))
    with pytest.raises(RayUnavailableError, match="HTTP 500 RuntimeError: no agent"):
        await jobs.submit(at(http.url), submission("ct-a-1"))
    with pytest.raises(RayRefusedError, match="HTTP 400"):
        await jobs.submit(at(http.url), submission("ct-a-1"))


async def test_a_dashboard_that_never_answers_costs_its_own_calls_only(hasty: RayJobsHttp, http: HttpDouble) -> None:
    http.reply("GET /api/version", HANG)
    async with HttpDouble().serve() as other:
        other.reply("GET /api/version", Reply(json={"ray_version": "2.60.0"}))
        stuck = [asyncio.create_task(hasty.version(at(http.url))) for _ in range(100)]
        await asyncio.sleep(0.05)
        assert await hasty.version(at(other.url)) == "2.60.0"
        assert not any(call.done() for call in stuck), "the other one was not made to wait for them"
        outcomes = await asyncio.gather(*stuck, return_exceptions=True)
    assert all(isinstance(outcome, RayUnavailableError) for outcome in outcomes)


async def test_redirects_are_not_followed(jobs: RayJobsHttp, http: HttpDouble) -> None:
    async with HttpDouble().serve() as other:
        target = other.url.replace("http://", "http://user:secret@")
        http.reply("GET /api/version", Reply(307, headers={"Location": f"{target}/api/version?token=secret"}))
        with pytest.raises(RayRefusedError, match="redirects are not followed") as raised:
            await jobs.version(at(http.url))
        assert other.asked == []
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>"),
        Reply(json={"version": "4"}),
        Reply(json=[1]),
        Reply(body=b"[" * 100_000),
        Reply(endless=True),
        Reply(502),
        Reply(429),
    ],
)
async def test_what_is_no_ray_is_unavailable(jobs: RayJobsHttp, http: HttpDouble, reply: Reply) -> None:
    for call in ("GET /api/version", "GET /api/jobs/", "GET /api/jobs/ct-a-1"):
        http.reply(call, reply)
    with pytest.raises(RayUnavailableError):
        await jobs.version(at(http.url))
    with pytest.raises(RayUnavailableError):
        await jobs.get(at(http.url), "ct-a-1")


async def test_a_proxys_404_is_not_taken_for_a_lost_job(jobs: RayJobsHttp, http: HttpDouble) -> None:
    http.reply("GET /api/jobs/ct-a-1", Reply(404, body=b"no such route"))
    with pytest.raises(RayUnavailableError, match="no such route"):
        await jobs.get(at(http.url), "ct-a-1")


async def test_drivers_and_garbage_in_a_list_are_passed_over(jobs: RayJobsHttp, http: HttpDouble) -> None:
    listed = [{"submission_id": None, "status": "RUNNING"}, 7, {"submission_id": "ct-a-1", "status": "PENDING"}]
    http.reply("GET /api/jobs/", Reply(json=listed))
    assert await jobs.list_jobs(at(http.url)) == [RayJob("ct-a-1", "PENDING", "")]


@pytest.mark.parametrize("address", ["ray-head:8265", "ray://head:10001", "http://[bad", ""])
async def test_an_address_that_is_no_url_is_named(jobs: RayJobsHttp, address: str) -> None:
    with pytest.raises((RayRefusedError, RayUnavailableError)) as raised:
        await jobs.version(at(address))
    assert str(raised.value)


async def test_the_token_goes_with_every_call_and_into_no_message(jobs: RayJobsHttp, http: HttpDouble) -> None:
    http.reply("GET /api/version", Reply(json={"ray_version": "2.60.0"}), Reply(401, body=b"Unauthorized"))
    target = RayTarget(http.url, "s3cret")
    await jobs.version(target)
    assert http.asked[0].headers["Authorization"] == "Bearer s3cret"
    with pytest.raises(RayRefusedError, match="HTTP 401 Unauthorized") as raised:
        await jobs.version(target)
    assert "s3cret" not in f"{raised.value} {target}"
    http.reply("GET /api/jobs/", Reply(json=[]))
    await jobs.list_jobs(RayTarget(http.url))
    assert "Authorization" not in http.asked[-1].headers
