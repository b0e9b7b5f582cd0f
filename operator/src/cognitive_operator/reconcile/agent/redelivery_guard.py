"""Protection of started attempts whose claims the broker lost, before their requests are delivered again."""

from cognitive_operator.ports.broker import Claims, Requests
from cognitive_operator.reconcile.state.index import Index


async def guard_redelivery(requests: Requests, claims: Claims, index: Index, agent_uid: str) -> bool:
    """Protect started attempts, then return True if the agent's consumer may be recreated.

    A new consumer delivers every stored request again.

    The claim of an attempt that ended is replaced by a marker, so that no worker can start the attempt. The claim of a
    running attempt is stored again by its worker within two seconds; until then the result is False.
    """
    is_safe = True
    for key in await requests.list_unclaimed(agent_uid):
        task = index.tasks.get(key.task_uid)
        if task is None:
            continue
        if task.has_closed(key.number):
            await claims.purge(key)
        elif task.was_claimed(key.number):
            is_safe = False
    return is_safe
