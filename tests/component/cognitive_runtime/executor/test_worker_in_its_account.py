"""A worker does all of its work from an account of its agent's own, and its credentials are renewed while it works."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from cognitive_operator.adapters.nats.agent_accounts import LIFETIME_S
from cognitive_runtime.adapters.nats.objects import put_object
from cognitive_runtime.bootstrap.hosted import HostedWorker
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import ExecutionRequest, Reasoning
from support.eventually import LIMIT_S, eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner, answer
from support.fixture_types import StartWorker
from support.servers.guarded_broker import GuardedBroker, guarded_broker
from support.servers.wire_broker import LARGE_INPUT, Attempt, WireBroker, large_input
from support.servers.worker_state import nothing_waits

pytestmark = pytest.mark.component
SHORT_S = 3


@pytest_asyncio.fixture
async def guarded(agent: str, tmp_path: Path, nats_server: object) -> AsyncIterator[GuardedBroker]:
    """A broker that knows the agent by an account, with the agent's streams."""
    async with guarded_broker(tmp_path / "broker") as broker:
        admin = await broker.admin()
        await admin.lay_out()
        await admin.add_agent(agent)
        await broker.admit(agent)
        await admin.close()
        yield broker


@pytest_asyncio.fixture
async def admin(guarded: GuardedBroker) -> AsyncIterator[WireBroker]:
    """The operator's side."""
    found = await guarded.admin()
    yield found
    await found.close()


@dataclass(frozen=True)
class Work:
    """An agent with a worker to start, and the operator's side."""

    broker: GuardedBroker
    admin: WireBroker
    agent: str
    settings: RuntimeSettings
    start_worker: StartWorker

    def grant(self, life_s: int = LIFETIME_S) -> None:
        """Write the agent's credentials where its worker reads them."""
        self.broker.write_credentials(self.settings.secrets_dir / self.agent / "nats.creds", self.agent, life_s)

    async def start(self) -> HostedWorker:
        return await self.start_worker(nats_url=self.broker.url)


@pytest.fixture
def work(
    guarded: GuardedBroker, admin: WireBroker, agent: str, settings: RuntimeSettings, start_worker: StartWorker
) -> Work:
    """All of it."""
    return Work(guarded, admin, agent, settings, start_worker)


async def test_all_that_a_worker_does_works(work: Work, reasoner: ScriptedReasoner) -> None:
    async def answer_at_length(request: ExecutionRequest) -> Reasoning:
        if request.constraints.get("large"):
            assert request.input == LARGE_INPUT
            return Reasoning(outputs={"proposed_solution": "x" * 1_000_000}, thought="y" * 5000)
        return await answer(request)

    reasoner.script = answer_at_length
    work.grant()
    hosted = await work.start()
    admin, agent = work.admin, work.agent
    small, large, claimed = Attempt(agent), Attempt(agent), Attempt(agent)
    await admin.jetstream.publish(f"$KV.claims.{agent}.{claimed.id}", b"{}")
    for attempt in (small, claimed):
        await admin.publish(attempt)
    await admin.publish(large, constraints={"large": True}, **await large_input(admin, large))

    assert (await admin.wait_response(small)).is_signed_for(small)
    body = (await admin.wait_response(large)).body
    store = await admin.jetstream.object_store(body["result_ref"]["bucket"])
    for reference, at_least in ((body["result_ref"], 1_000_000), (body["reasoning_ref"], 5000)):
        assert len((await store.get(reference["name"])).data or b"") == reference["size_bytes"] >= at_least
    claim = await admin.claim(large)
    assert claim is not None
    assert claim["state"] == "ended"
    await eventually_async(lambda: nothing_waits(admin, agent))
    await admin.drain(agent, "ca-job-1")
    await asyncio.wait_for(hosted.wait_idle(), LIMIT_S)
    await hosted.stop(1)
    assert await admin.leases(agent) == {}


async def test_credentials_change_while_a_task_runs(work: Work, reasoner: ScriptedReasoner) -> None:
    may_end = asyncio.Event()

    async def answer_later(request: ExecutionRequest) -> Reasoning:
        await may_end.wait()
        return await answer(request)

    reasoner.script = answer_later
    work.grant(SHORT_S)
    hosted = await work.start()
    admin, agent = work.admin, work.agent
    running, next_one = Attempt(agent), Attempt(agent)
    await admin.publish(running)
    await eventually_async(lambda: admin.claim(running))
    work.grant()

    before = hosted.broker.client()
    await eventually_async(lambda: _is_on_another(hosted, before), SHORT_S + 5)
    may_end.set()
    assert (await admin.wait_response(running)).outcome == "completed"
    await admin.publish(next_one)
    assert (await admin.wait_response(next_one, 4)).outcome == "completed"  # no question of the old connection gets it


async def test_credentials_are_read_from_the_secret_that_the_agents_of_a_cluster_share(
    work: Work, reasoner: ScriptedReasoner
) -> None:
    work.broker.write_credentials(work.settings.secrets_dir / f"{work.agent}.nats.creds", work.agent)
    await work.start()
    attempt = Attempt(work.agent)
    await work.admin.publish(attempt)
    assert (await work.admin.wait_response(attempt)).outcome == "completed"


async def test_an_upload_removes_what_an_interrupted_one_left(work: Work) -> None:
    work.grant()
    hosted = await work.start()
    await put_object(hosted.broker, work.agent, "result", b"x" * 300_000)
    chunks = next(iter(await _chunks(work.admin, work.agent)))
    await work.admin.jetstream.publish(chunks, b"what an interrupted upload has left")

    await put_object(hosted.broker, work.agent, "result", b"y" * 300_000)

    store = await work.admin.jetstream.object_store(f"results-{work.agent}")
    assert (await store.get("result")).data == b"y" * 300_000
    assert await _chunks(work.admin, work.agent) == {chunks: 3}


async def _chunks(admin: WireBroker, agent: str) -> dict[str, int]:
    info = await admin.jetstream.stream_info(f"OBJ_results-{agent}", subjects_filter=f"$O.results-{agent}.C.>")
    return dict(info.state.subjects or {})


async def _is_on_another(hosted: HostedWorker, before: object) -> bool:
    return hosted.broker.is_connected and hosted.broker.client() is not before
