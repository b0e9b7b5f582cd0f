"""An agent's application on Ray Serve, deployed and called by its executor, on a real Ray."""

import asyncio
import json
import os
import signal
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from servers.nats import NatsServer
from servers.ray_head import RayHead
from support.cluster.ray_driver import drive
from support.cluster.ray_submissions import RaySubmissions
from support.cluster.serve_replicas import replica_pids
from support.eventually import eventually_async
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import Attempt, Response, WireBroker

pytestmark = [pytest.mark.component, pytest.mark.ray_extended, pytest.mark.timeout(300)]
SCENARIOS = "support.cluster.agent_serve_scenarios"
READY_S = 60.0
SMALL = {"cpus": 0.1, "memory_bytes": 100 * 1024 * 1024}


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    with RayHead.start() as server:
        yield server


class Executors:
    """Executors of one agent, submitted as the operator does."""

    def __init__(self, broker: WireBroker, agent: str, jobs: RaySubmissions, nats_url: str) -> None:
        self.broker, self.agent, self.jobs, self.nats_url = broker, agent, jobs, nats_url
        self.started: list[str] = []

    async def start(self, **serve: Any) -> str:
        """Submit an executor whose agent has an application, and return its submission id."""
        submission_id = f"ca-{self.agent}-1a2b3c4d-{len(self.started) + 1}"
        execution = {"schema_version": 1, "worker": SMALL, "serve": {"resources": SMALL, **serve}}
        arguments = ("--workers 1", "--concurrency 16", "--shared-ledger")
        variables = {"COGNITIVE_EXECUTION": json.dumps(execution)}
        await asyncio.to_thread(self.jobs.executor, self.agent, self.nats_url, submission_id, *arguments, **variables)
        self.started.append(submission_id)
        return submission_id

    async def start_ready(self, **serve: Any) -> str:
        """Submit an executor and wait until its worker is ready."""
        submission_id = await self.start(**serve)
        try:
            await eventually_async(lambda: self.says_ready(submission_id), READY_S)
        except AssertionError as error:
            told = await asyncio.to_thread(self.jobs.told, self.agent)
            raise AssertionError(f"{await self.leases(submission_id)}\n{told}") from error
        return submission_id

    async def leases(self, submission_id: str) -> list[dict[str, Any]]:
        found = (await self.broker.leases(self.agent)).values()
        return [lease for lease in found if lease["submission_id"] == submission_id]

    async def says(self, submission_id: str, reason: str) -> bool:
        return [lease["reason"] for lease in await self.leases(submission_id)] == [reason]

    async def stop(self, submission_id: str) -> None:
        await asyncio.to_thread(self.jobs.end, submission_id)

    async def says_ready(self, submission_id: str) -> bool:
        return [lease["ready"] for lease in await self.leases(submission_id)] == [True]


@pytest_asyncio.fixture
async def executors(broker: WireBroker, agent: str, head: RayHead, nats_server: NatsServer) -> AsyncIterator[Executors]:
    found = Executors(broker, agent, RaySubmissions(head.address), nats_server.url)
    yield found
    for submission_id in found.started:
        await asyncio.to_thread(found.jobs.end, submission_id)


async def test_requests_are_answered_at_their_place_and_stopped_there(
    broker: WireBroker, agent: str, model: ScriptedModel, *, executors: Executors, head: RayHead
) -> None:
    executor = await executors.start_ready(hybrid=True)

    served, embedded = await answers(broker, model, [placed(agent, "Serve"), placed(agent, "Embedded")])

    for response in (served, embedded):
        assert response.outcome == "completed", response.body
        assert response.body["submission_id"] == executor
    assert model.executions_of_attempts() == {served.body["task_uid"]: 1, embedded.body["task_uid"]: 1}
    (lease,) = await executors.leases(executor)
    assert "serve" in lease["features"]

    model.reset()
    model.script(contains="incident_refused", status=401, times=1)
    refused = await answer(broker, model, Attempt(agent), "incident_refused")
    assert (refused.body["error_type"], refused.body["retryable"]) == ("CredentialsRefused", False)

    model.script(contains="incident_hung", hang=True)
    hung = Attempt(agent)
    await publish(broker, model, hung, "incident_hung")
    await eventually_async(lambda: is_in_flight(model, 1), 20)
    await broker.stop(hung)
    assert (await broker.wait_response(hung, 20)).body["error_type"] == "Cancelled"
    await eventually_async(lambda: is_in_flight(model, 0), 20)

    cached = {"endpoint": model.url, "cache": {"enabled": True}}
    for placement, is_hit in (("Serve", False), ("Embedded", True)):
        attempt = Attempt(agent)
        await broker.publish(attempt, placement=placement, llm=cached, input={"error_message": "is a cached word"})
        assert (await broker.wait_response(attempt, 30)).body["cache_hit"] is is_hit

    drive(head, SCENARIOS, "is_served", agent)
    await broker.drain(agent, executor)
    await asyncio.to_thread(executors.jobs.wait, executor)
    drive(head, SCENARIOS, "is_gone", agent)


async def test_calls_of_a_replica_that_dies_go_to_another_and_a_new_executor_takes_the_application_over(
    broker: WireBroker, agent: str, model: ScriptedModel, *, executors: Executors, head: RayHead
) -> None:
    first = await executors.start_ready(replicas=2)
    model.script(delay_s=1.0)
    attempts = [Attempt(agent) for _ in range(12)]
    for attempt in attempts:
        await broker.publish(attempt, placement="Serve", llm={"endpoint": model.url})
    await eventually_async(lambda: is_in_flight(model, len(attempts)), 20)
    pids = replica_pids(f"cognitive-{agent}")
    assert len(pids) == 2

    os.kill(pids[0], signal.SIGKILL)

    for attempt in attempts:
        assert (await broker.wait_response(attempt, 60)).outcome == "completed"
        assert len(await broker.responses(attempt)) == 1
    second = await executors.start_ready(replicas=2, hybrid=True)
    await broker.drain(agent, first)
    await asyncio.to_thread(executors.jobs.wait, first)
    drive(head, SCENARIOS, "is_served", agent)
    await asyncio.to_thread(executors.jobs.stop, second)
    await asyncio.to_thread(executors.jobs.wait, second)
    drive(head, SCENARIOS, "is_gone", agent)


async def test_a_name_or_a_route_of_another_owner_is_told_and_left_alone(
    broker: WireBroker, agent: str, model: ScriptedModel, *, executors: Executors, head: RayHead
) -> None:
    drive(head, SCENARIOS, "take_name", agent)
    executor = await executors.start()
    await eventually_async(lambda: executors.says(executor, "RouteTaken"), READY_S)
    (lease,) = await executors.leases(executor)
    assert f"'cognitive-{agent}' belongs to the deployment Stranger" in lease["message"]
    await executors.stop(executor)

    other = str(uuid.uuid4())
    drive(head, SCENARIOS, "free_name", agent)
    drive(head, SCENARIOS, "take_name", other)
    (head.secrets_directory / agent).mkdir()
    (head.secrets_directory / agent / "serve-token").write_text("t0ken\n")
    executor = await executors.start(public=public(model))
    await eventually_async(lambda: executors.says(executor, "RouteTaken"), READY_S)
    (lease,) = await executors.leases(executor)
    assert f"/cognitive/default/sre belongs to the Serve application 'cognitive-{other}'" in lease["message"]

    drive(head, SCENARIOS, "free_name", other)
    await eventually_async(lambda: executors.says_ready(executor), READY_S)
    assert await asyncio.to_thread(plan_by_http, None) == (401, "Unauthorized")
    assert await asyncio.to_thread(plan_by_http, "t0ken") == (200, None)
    response = await answer(broker, model, Attempt(agent), "incident_public")
    assert response.outcome == "completed", response.body


def public(model: ScriptedModel) -> dict[str, Any]:
    """Return the settings of an open route, with the golden agent's on the model."""
    agent = Attempt("").request(llm={"endpoint": model.url})["agent"]
    return {"route": "/cognitive/default/sre", "token_file": "serve-token", "agent": agent}


def plan_by_http(token: str | None) -> tuple[int, str | None]:
    """Call the open route; return the status and the class of the error."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = json.dumps({"task_description": "t"}).encode()
    url = "http://127.0.0.1:8000/cognitive/default/sre/dspy/plan-task"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as found:
            return found.status, json.load(found).get("error_type")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error_type"]


def placed(agent: str, placement: str) -> tuple[Attempt, str]:
    return Attempt(agent), placement


async def answers(broker: WireBroker, model: ScriptedModel, wanted: list[tuple[Attempt, str]]) -> list[Response]:
    for attempt, placement in wanted:
        await broker.publish(attempt, placement=placement, llm={"endpoint": model.url})
    return [await broker.wait_response(attempt, 60) for attempt, _ in wanted]


async def publish(broker: WireBroker, model: ScriptedModel, attempt: Attempt, incident: str) -> None:
    given = {"incident_id": incident, "error_message": "replicas is a word"}
    await broker.publish(attempt, placement="Serve", input=given, llm={"endpoint": model.url})


async def answer(broker: WireBroker, model: ScriptedModel, attempt: Attempt, incident: str) -> Response:
    await publish(broker, model, attempt, incident)
    return await broker.wait_response(attempt, 60)


async def is_in_flight(model: ScriptedModel, count: int) -> bool:
    return model.in_flight == count
