"""Deletes finished tasks when their time to live is over."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from cognitive_operator.api.names import TASK_PLURAL
from cognitive_operator.errors import CognitiveOperatorError, ObjectNotFoundError
from cognitive_operator.ports.kube import Identity
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import TaskRecord
from cognitive_operator.scheduling.ttl_heap import TtlHeap

logger = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 1.0
DELETES_PER_LOOK: Final = 50
"""So many deletions a second leave the API server to those who wait for it."""
DELETES_AT_ONCE: Final = 8
RECOUNT_EVERY_S: Final = 60.0
"""How soon another default of an agent takes effect for tasks that are finished already."""
TRY_AGAIN_S: Final = 30.0


class TtlAfterFinished:
    """Looks once a second which finished tasks are due. It writes nothing but their deletion."""

    def __init__(self, deps: Deps, index: Index, delete_task: Callable[[str], None]) -> None:
        self._deps = deps
        self._index = index
        self._lose_task = delete_task
        self._expiries = TtlHeap()
        self._recounted_s = float("-inf")

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.collect()
            except Exception:
                logger.exception("could not look for tasks to delete")

    async def collect(self) -> None:
        """Delete what is due now, at most ``DELETES_PER_LOOK`` tasks."""
        now_s = self._deps.kube.server_time()
        if now_s is None:
            return
        self._note()
        due: list[TaskRecord] = []
        while len(due) < DELETES_PER_LOOK and (uid := self._expiries.take(now_s)) is not None:
            record = self._index.tasks.get(uid)
            at_s = self._due_s(record) if record is not None else None
            if record is not None and at_s is not None:
                due.append(record) if at_s <= now_s else self._expiries.put(uid, at_s)
        limit = asyncio.Semaphore(DELETES_AT_ONCE)
        await asyncio.gather(*(self._delete(record, limit, now_s) for record in {r.uid: r for r in due}.values()))

    def _note(self) -> None:
        """Take note of the tasks that have ended or changed; of all of them once a minute."""
        monotonic_s = self._deps.clock.monotonic()
        uids, self._index.ended = self._index.ended, set()
        if monotonic_s - self._recounted_s >= RECOUNT_EVERY_S:
            self._recounted_s, uids = monotonic_s, set(self._index.tasks)
            self._expiries.clear()
        for uid in uids:
            record = self._index.tasks.get(uid)
            at_s = self._due_s(record) if record is not None else None
            if at_s is not None:
                self._expiries.put(uid, at_s)

    def _due_s(self, record: TaskRecord) -> float | None:
        """Return when a finished task is to be deleted, by the API server's clock."""
        if record.end is None or not record.is_finished or self._index.links.dependants(record.name):
            return None
        agent = self._index.agents.get(record.agent)
        default_s = agent.agent.spec.task_defaults.ttl_seconds_after_finished if agent else None
        own_s = record.end.ttl_s if record.end.ttl_s is not None else default_s
        return record.end.finished_s + (own_s if own_s is not None else self._deps.ttl_s)

    async def _delete(self, record: TaskRecord, limit: asyncio.Semaphore, now_s: float) -> None:
        identity = Identity(record.uid, str(record.version))
        async with limit:
            try:
                await self._deps.kube.resources.delete(TASK_PLURAL, *record.name, identity)
            except ObjectNotFoundError:
                self._lose_task(record.uid)
            except CognitiveOperatorError as error:  # changed meanwhile, or the API server is away
                self._expiries.put(record.uid, now_s + TRY_AGAIN_S)
                logger.info(
                    "did not delete a finished task", extra={"task": "/".join(record.name), "cause": str(error)}
                )
            else:
                logger.info("deleted a finished task", extra={"task": "/".join(record.name)})
                self._deps.metrics.count("tasks_expired")
