"""Keeps executors from attempts that are not theirs to begin and whose claims the broker has lost."""

from cognitive_operator.ports.broker import Broker
from cognitive_operator.reconcile.state.index import Index


async def guard_redelivery(broker: Broker, index: Index, agent_uid: str) -> bool:
    """Tell whether the agent's consumer may be made anew, which delivers every request again to any of its workers.

    Where the claim of an attempt that is over was, a marker is left. That of one that runs is stored again by its
    worker within a second or two: until then the answer is no.
    """
    is_fenced = True
    for key in await broker.requests.list_unclaimed(agent_uid):
        task = index.tasks.get(key.task_uid)
        if task is None:
            continue
        if task.has_closed(key.number):
            await broker.claims.purge(key)
        elif task.was_claimed(key.number):
            is_fenced = False
    return is_fenced
