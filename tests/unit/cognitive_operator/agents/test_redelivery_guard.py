"""An attempt that is over gets a marker in place of its lost claim; one that runs keeps the consumer away."""

from typing import Any

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.reconcile.agent.redelivery_guard import guard_redelivery
from cognitive_operator.reconcile.state.index import Index
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker

CLOSED = {
    "number": 1,
    "agentUid": o.AGENT_UID,
    "mode": "Embedded",
    "outcome": "Failed",
    "errorType": "ModelUnavailable",
}
DISPATCHED = {"number": 2, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Running"}


async def fenced(status: dict[str, Any]) -> tuple[list[int], bool]:
    """Return which of two attempts of a task with this status get a marker, and whether the consumer may be made.

    Those of an unknown task never get one.
    """
    index = Index()
    index.upsert_agent(o.agent_body())
    index.upsert_task(o.task_body() | {"status": status}, 0.0)
    broker = FakeBroker()
    uids = (o.TASK_UID, "unknown")
    broker.requests.unclaimed = {AttemptKey(o.AGENT_UID, uid, number) for uid in uids for number in (1, 2)}
    may_be_made = await guard_redelivery(broker.requests, broker.claims, index, o.AGENT_UID)
    assert broker.recorder.calls[0] == ("requests.list_unclaimed", o.AGENT_UID)
    purged = [key for _, key in broker.recorder.of("claims.purge")]
    assert {key.task_uid for key in purged} <= {o.TASK_UID}
    return sorted(key.number for key in purged), may_be_made


async def test_the_attempts_of_a_finished_task() -> None:
    assert await fenced({"phase": "Failed", "reason": "ModelUnavailable", "attempts": [CLOSED]}) == ([1, 2], True)


async def test_a_closed_attempt_of_a_task_that_is_tried_again() -> None:
    assert await fenced({"phase": "Queued", "attempts": [CLOSED]}) == ([1], True)


async def test_an_attempt_that_no_worker_has_claimed_may_be_begun() -> None:
    assert await fenced({"phase": "Queued", "attempts": [CLOSED, DISPATCHED]}) == ([1], True)


async def test_an_attempt_that_runs_keeps_the_consumer_away_until_its_claim_is_back() -> None:
    running = DISPATCHED | {"worker": "ca-w0-5f2c9a1e"}
    assert await fenced({"phase": "Running", "attempts": [CLOSED, running]}) == ([1], False)


async def test_no_attempt_of_a_task_that_was_never_tried() -> None:
    assert await fenced({"phase": "Queued"}) == ([], True)
