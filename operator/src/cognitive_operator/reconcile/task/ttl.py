"""Deletes finished tasks by ``ttlSecondsAfterFinished``."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from cognitive_operator.api.names import TASK_PLURAL
from cognitive_operator.errors import CognitiveOperatorError, ObjectNotFoundError
from cognitive_operator.ports.kube import Identity, Resources
from cognitive_operator.ports.telemetry import Metrics
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.state.timing import TtlTiming
from cognitive_operator.scheduling.ttl_heap import TtlHeap

logger = logging.getLogger(__name__)
MAX_DELETES_PER_CHECK: Final = 50
"""Bound on the deletions per second, which leaves the API server to its other clients."""
MAX_CONCURRENT_DELETES: Final = 8


class TtlAfterFinished:
    """Deletes finished tasks whose time to live is over; writes nothing else.

    Args:
        resources: Deletes tasks.
        clocks: The API server's clock decides when.
        index: The finished tasks.
        delete_task: Called with the UID of a task that no longer exists, and with the proof.
        metrics: Counts deletions.
        default_ttl_s: Time to live where neither the task nor its agent has one.
        timing: Intervals.
    """

    def __init__(
        self,
        resources: Resources,
        clocks: Clocks,
        index: Index,
        delete_task: Callable[[str, str], None],
        metrics: Metrics,
        *,
        default_ttl_s: int,
        timing: TtlTiming,
    ) -> None:
        self._resources = resources
        self._clocks = clocks
        self._index = index
        self._delete_task = delete_task
        self._metrics = metrics
        self._default_ttl_s = default_ttl_s
        self._timing = timing
        self._heap = TtlHeap()
        self._recounted_s = float("-inf")

    async def run(self) -> None:
        """Delete expired tasks at a fixed interval until cancelled."""
        while True:
            await asyncio.sleep(self._timing.check_every_s)
            try:
                await self.delete_due()
            except Exception:
                logger.exception("could not delete finished tasks")

    async def delete_due(self) -> None:
        """Delete the tasks whose time to live is over, at most ``MAX_DELETES_PER_CHECK``."""
        now_s = self._clocks.server.server_time()
        if now_s is None:
            return
        self._schedule()
        due: list[TaskRecord] = []
        while len(due) < MAX_DELETES_PER_CHECK and (uid := self._heap.pop_due(now_s)) is not None:
            record = self._index.tasks.get(uid)
            at_s = self._due_s(record) if record is not None else None
            if record is not None and at_s is not None and record.name[0] in self._index.unlisted:
                self._heap.put(uid, now_s + self._timing.retry_s)
            elif record is not None and at_s is not None:
                due.append(record) if at_s <= now_s else self._heap.put(uid, at_s)
        limit = asyncio.Semaphore(MAX_CONCURRENT_DELETES)
        await asyncio.gather(*(self._delete(record, limit, now_s) for record in {r.uid: r for r in due}.values()))

    def _schedule(self) -> None:
        """Schedule the tasks that have ended or changed; all of them once in ``recount_every_s``."""
        monotonic_s = self._clocks.own.monotonic()
        uids = self._index.pop_ended()
        if monotonic_s - self._recounted_s >= self._timing.recount_every_s:
            self._recounted_s, uids = monotonic_s, set(self._index.tasks)
            self._heap.clear()
        for uid in uids:
            record = self._index.tasks.get(uid)
            at_s = self._due_s(record) if record is not None else None
            if at_s is not None:
                self._heap.put(uid, at_s)

    def _due_s(self, record: TaskRecord) -> float | None:
        """Return when a finished task is to be deleted, by the API server's clock; None: it must be kept."""
        if record.end is None or not record.is_finished or self._index.graph.dependants(record.name):
            return None
        agent = self._index.agents.get(record.agent)
        default_s = agent.agent.spec.task_defaults.ttl_seconds_after_finished if agent else None
        own_s = record.end.ttl_s if record.end.ttl_s is not None else default_s
        return record.end.finished_s + (own_s if own_s is not None else self._default_ttl_s)

    async def _delete(self, record: TaskRecord, limit: asyncio.Semaphore, now_s: float) -> None:
        identity, name = Identity(record.uid, str(record.version)), "/".join(record.name)
        async with limit:
            try:
                await self._resources.delete(TASK_PLURAL, *record.name, identity)
            except ObjectNotFoundError:
                self._delete_task(record.uid, "the API server answered 404 to the deletion of its task")
            except CognitiveOperatorError as error:  # it changed meanwhile, or the API server is unavailable
                self._heap.put(record.uid, now_s + self._timing.retry_s)
                logger.info("did not delete a finished task", extra={"task": name, "cause": str(error)})
            else:
                logger.info("deleted a finished task", extra={"task": name})
                self._metrics.count("tasks_expired")
