"""Attempts in Job mode of an agent with warm slots, one of which a test plays."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from servers.nats import NatsServer
from support.builders.cognitive_objects import Cluster, agent, task
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import LIMIT_S, eventually, eventually_async
from support.ray_double.server import RayServer
from support.servers.played_executor import threaded
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import WireBroker
from support.servers.wire_executor import RayStub, WireExecutor, ray_stub

pytestmark = [pytest.mark.integration]
NAME = "slotted"
EXECUTION = {"mode": "Job", "job": {"warmSlots": 1}}


@dataclass
class Scene:
    """An agent with one warm slot, and Ray."""

    cluster: Cluster
    broker: WireBroker
    ray: RayStub
    agent: dict[str, Any]
    slot: WireExecutor

    async def start(self, name: str) -> str:
        """Create a task and return its UID."""
        await threaded(self.cluster.apply, task(name, NAME))
        return str((await threaded(self.cluster.get, "ctask", name))["metadata"]["uid"])

    async def own_job(self, uid: str) -> WireExecutor:
        """Wait for the Ray job of a task's first attempt, and return its worker."""
        submission_id = f"ct-{uid}-1"
        await eventually_async(lambda: self._has_job(submission_id))
        return WireExecutor(self.broker, self.agent, submission_id)

    async def _has_job(self, submission_id: str) -> bool:
        return submission_id in self.ray.submission_ids

    async def ended(self, name: str) -> dict[str, Any]:
        """Wait for a task's success and return its status."""
        return await threaded(self.cluster.wait_phase, name, "Succeeded", 30.0)

    @property
    def attempt_jobs(self) -> list[str]:
        """Submission ids of attempts."""
        return [each for each in self.ray.submission_ids if each.startswith("ct-")]


@asynccontextmanager
async def scene_of(cluster: Cluster, nats: NatsServer, model: ScriptedModel) -> AsyncIterator[Scene]:
    """Create an agent whose one slot is ready."""
    async with AsyncExitStack() as stack:
        url, ray = await stack.enter_async_context(ray_stub())
        broker = await WireBroker.connect(nats.url)
        stack.push_async_callback(broker.close)
        await threaded(cluster.apply, agent(NAME, url, model.url, execution=EXECUTION))
        await eventually_async(lambda: _has_executor(ray), 30.0)
        found = await threaded(cluster.get, "cagent", NAME)
        slot = WireExecutor(broker, found, ray.submission_id)
        slot.become_slot()
        await stack.enter_async_context(slot.at_work())
        await threaded(_wait_slots, cluster, 1)
        yield Scene(cluster, broker, ray, found, slot)


async def _has_executor(ray: RayStub) -> bool:
    return bool(ray.submission_ids)


def _wait_slots(cluster: Cluster, ready: int) -> None:
    head = f"{ready} of 1 warm slots are ready"
    eventually(lambda: cluster.condition(NAME, "ExecutorReady")[2].startswith(head), 30.0)


async def test_a_free_slot_gets_the_attempt_and_one_that_finds_none_is_a_ray_job(
    cluster: Cluster, nats_server: NatsServer, model: ScriptedModel
) -> None:
    async with scene_of(cluster, nats_server, model) as scene:
        await scene.start("first")
        first = await scene.slot.take()
        second_uid = await scene.start("second")
        job = await scene.own_job(second_uid)
        assert scene.attempt_jobs == [f"ct-{second_uid}-1"], "the attempt in the slot has a Ray job, too"
        await job.complete(await job.take())
        await scene.slot.complete(first)
        in_slot, in_job = await scene.ended("first"), await scene.ended("second")
        assert (in_slot["mode"], "submissionId" in in_slot) == ("Job", False)
        assert [each.get("submissionId") for each in in_slot["attempts"]] == [None]
        assert [each["worker"] for each in in_slot["attempts"]] == ["wire-0"]
        assert in_job["submissionId"] == f"ct-{second_uid}-1"
        await scene.start("third")
        await scene.slot.complete(await scene.slot.take())
        assert "submissionId" not in await scene.ended("third"), "the slot was not free after its attempt"
        assert scene.attempt_jobs == [f"ct-{second_uid}-1"]


def test_a_cancelled_attempt_ends_in_its_slot_and_the_others_go_on(
    cluster: Cluster, model: ScriptedModel, ray_server: RayServer
) -> None:
    cluster.apply(agent(NAME, ray_server.address, model.url, execution=EXECUTION))
    _wait_slots(cluster, 1)
    model.script(contains="hangs in a slot", hang=True)
    cluster.apply(task("cancelled", NAME, input={"error_message": "hangs in a slot"}))
    eventually(lambda: model.in_flight == 1, 30.0)
    cluster.kubectl("patch", "ctask", "cancelled", "--type=merge", "-p", '{"spec": {"cancel": true}}')
    status = cluster.wait_phase("cancelled", "Cancelled", 30.0)
    assert status["attempts"][0]["worker"].startswith("ca-s0-")
    eventually(lambda: model.in_flight == 0, 10.0)
    _wait_slots(cluster, 1)
    cluster.apply(task("next", NAME))
    assert "submissionId" not in cluster.wait_phase("next", "Succeeded", 30.0)
    jobs = RaySubmissions(ray_server.address)
    uid = cluster.get("cagent", NAME)["metadata"]["uid"]
    assert not [each for each in jobs.jobs() if _is_attempt_of(uid, each)]
    cluster.kubectl("delete", "cagent", NAME, f"--timeout={LIMIT_S}s")
    eventually(lambda: not [each for each in jobs.jobs() if f"ca-{uid}" in str(each) and each["status"] == "RUNNING"])


def _is_attempt_of(agent_uid: str, job: dict[str, Any]) -> bool:
    metadata = job["metadata"] or {}  # Ray has None for a job that was submitted without any
    return str(job["submission_id"]).startswith("ct-") and metadata.get("cognitive-agent-uid") == agent_uid


async def test_an_attempt_that_the_slot_does_not_claim_is_executed_once_by_a_ray_job(
    cluster: Cluster, nats_server: NatsServer, model: ScriptedModel
) -> None:
    async with scene_of(cluster, nats_server, model) as scene:
        uid = await scene.start("unclaimed")
        job = await scene.own_job(uid)
        await job.complete(await job.take())
        status = await scene.ended("unclaimed")
        assert status["submissionId"] == f"ct-{uid}-1"
        assert len(status["attempts"]) == 1
        assert scene.attempt_jobs == [f"ct-{uid}-1"]
