"""Workers on a real broker, as the operator's side sees them: attempts, claims, leases and spooled responses."""

from cognitive_runtime.bootstrap.hosted import HostedWorker
from cognitive_runtime.config import RuntimeSettings
from servers.nats import NatsServer
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import Attempt, WireBroker


async def begin(
    server: NatsServer, agent: str, reasoner: ScriptedReasoner, number: int
) -> tuple[WireBroker, list[Attempt]]:
    """Return a connection and attempts that run."""
    admin = await WireBroker.connect(server.url)
    attempts = [Attempt(agent) for _ in range(number)]
    for attempt in attempts:
        await admin.publish(attempt)
    await eventually_async(lambda: executes(reasoner, *attempts))
    return admin, attempts


async def connect_again(admin: WireBroker, server: NatsServer) -> WireBroker:
    """Replace a connection that an outage has cut."""
    await admin.close()
    return await WireBroker.connect(server.url)


async def executes(reasoner: ScriptedReasoner, *attempts: Attempt) -> bool:
    """Return whether the workers have begun each of the attempts."""
    return all(reasoner.executions[attempt.id] for attempt in attempts)


async def pulls(worker: HostedWorker) -> bool:
    """Return whether a worker is connected and waits for requests."""
    return worker.broker.is_connected and worker.status().ready


async def claim_is(broker: WireBroker, attempt: Attempt, state: str, outcome: str) -> bool:
    """Return whether the claim of an attempt has a state and an outcome."""
    claim = await broker.claim(attempt)
    return claim is not None and (claim["state"], claim["outcome"]) == (state, outcome)


async def has_ended(broker: WireBroker, attempt: Attempt) -> bool:
    """Return whether the claim of an attempt says that it has ended."""
    claim = await broker.claim(attempt)
    return claim is not None and claim["state"] == "ended"


async def lease_says(broker: WireBroker, agent: str, reason: str | None) -> bool:
    """Return whether the agent's only worker is not ready for a reason, or is ready without one."""
    leases = (await broker.leases(agent)).values()
    return [(lease["ready"], lease["reason"]) for lease in leases] == [(reason is None, reason)]


async def nothing_waits(broker: WireBroker, agent: str) -> bool:
    """Return whether all requests of an agent are delivered and acknowledged."""
    info = await broker.jetstream.consumer_info("AGENT_REQUESTS", agent)
    return (info.num_pending, info.num_ack_pending) == (0, 0)


async def spooled(settings: RuntimeSettings, number: int) -> bool:
    """Return whether a number of responses wait in the spool."""
    return len(list(settings.spool_dir.rglob("*.json"))) == number


async def runs_calls(model: ScriptedModel, number: int) -> bool:
    """Return whether a number of calls of a model run."""
    return model.in_flight == number
