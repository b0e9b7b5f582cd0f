"""Keeps executors from attempts that are over and whose claims the broker has lost."""

from cognitive_operator.ports import Broker
from cognitive_operator.reconcile.index import Index


async def fence_closed(broker: Broker, index: Index, agent_uid: str) -> None:
    """Leave a marker where a claim was: a consumer that is made anew delivers every request again."""
    for key in await broker.list_unclaimed(agent_uid):
        task = index.tasks.get(key.task_uid)
        if task is not None and task.has_closed(key.number):
            await broker.delete_claim(key)
