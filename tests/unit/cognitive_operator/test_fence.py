"""An attempt that is over gets a marker in place of its lost claim; one that may still be begun gets none."""

from dataclasses import dataclass, field
from typing import Any

import operator_objects as o
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.reconcile.fence import fence_closed
from cognitive_operator.reconcile.index import Index

CLOSED = {
    "number": 1,
    "agentUid": o.AGENT_UID,
    "mode": "Embedded",
    "outcome": "Failed",
    "errorType": "ModelUnavailable",
}


@dataclass
class Broker:
    unclaimed: set[AttemptKey]
    fenced: list[AttemptKey] = field(default_factory=list)

    async def list_unclaimed(self, agent_uid: str) -> set[AttemptKey]:
        return {key for key in self.unclaimed if key.agent_uid == agent_uid}

    async def delete_claim(self, key: AttemptKey) -> None:
        self.fenced.append(key)


async def fenced(status: dict[str, Any]) -> list[int]:
    """Return which of two attempts of a task with this status are fenced; those of an unknown task never are."""
    index = Index()
    index.put_agent(o.agent_body())
    index.put_task(o.task_body() | {"status": status}, 0.0)
    unclaimed = {AttemptKey(o.AGENT_UID, uid, number) for uid in (o.TASK_UID, "unknown") for number in (1, 2)}
    broker: Any = Broker(unclaimed)
    await fence_closed(broker, index, o.AGENT_UID)
    assert {key.task_uid for key in broker.fenced} <= {o.TASK_UID}
    return sorted(key.number for key in broker.fenced)


async def test_the_attempts_of_a_finished_task() -> None:
    assert await fenced({"phase": "Failed", "reason": "ModelUnavailable", "attempts": [CLOSED]}) == [1, 2]


async def test_a_closed_attempt_of_a_task_that_is_tried_again() -> None:
    assert await fenced({"phase": "Queued", "attempts": [CLOSED]}) == [1]


async def test_no_attempt_of_a_task_that_was_never_tried() -> None:
    assert await fenced({"phase": "Queued"}) == []
