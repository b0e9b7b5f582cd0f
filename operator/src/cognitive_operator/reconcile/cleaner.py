"""Removes what an attempt leaves on the broker and on Ray, after stopping it if it runs."""

import json
import logging
from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.names import (
    AttemptKey,
    attempt_submission_id,
    object_name,
    request_subject,
    results_bucket,
)
from cognitive_operator.api.wire import Claim, Stop
from cognitive_operator.errors import RayRefusedError, RayUnavailableError
from cognitive_operator.reconcile.deps import Deps
from cognitive_operator.reconcile.index import Index
from cognitive_operator.reconcile.workqueue import WorkQueue

logger = logging.getLogger(__name__)
STOP_EVERY_S: Final = 2.0
WORKERS: Final = 16


@dataclass(frozen=True)
class Leftover:
    """An attempt that is to be stopped and whose request nobody may take any more.

    Equal leftovers are one: it can be added again and again, by the sweep too.
    """

    namespace: str
    key: AttemptKey
    is_gone: bool = False
    """True: its task is deleted, so the claim and the large result go as well."""


class Cleaner:
    """A queue of leftovers; each is worked on until nothing of it is left."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index
        self._queue = WorkQueue[Leftover]("clean", self._clean, WORKERS)

    def add(self, leftover: Leftover) -> None:
        """Clean up an attempt."""
        self._queue.add(leftover)

    async def close(self) -> None:
        """Stop; what is left is found again by the next sweep."""
        await self._queue.close()

    async def _clean(self, leftover: Leftover) -> float | None:
        broker, key = self._deps.broker, leftover.key
        await broker.delete_request(request_subject(leftover.namespace, key))
        claim = await broker.get_claim(key)
        if claim is not None and claim.state == "running" and await self._is_alive(key, claim):
            await self._stop(leftover, claim)
            return STOP_EVERY_S
        if leftover.is_gone:
            await broker.delete_claim(key)
            await broker.delete_result(results_bucket(key.agent_uid), object_name(key))
        return None

    async def _is_alive(self, key: AttemptKey, claim: Claim) -> bool:
        """A worker whose lease expired or was purged ends nothing any more."""
        leases = await self._deps.broker.list_leases(key.agent_uid)
        return any(seen.lease.worker == claim.worker for seen in leases)

    async def _stop(self, leftover: Leftover, claim: Claim) -> None:
        key = leftover.key
        reason = "TaskDeleted" if leftover.is_gone else "AttemptClosed"
        stop = Stop(task_uid=key.task_uid, attempt=key.number, reason=reason)
        payload = json.dumps(stop.model_dump()).encode()
        await self._deps.broker.send_control(leftover.namespace, key.agent_uid, payload)
        address = self._index.ray_address(key.agent_uid)
        if claim.mode == "Job" and address is not None:
            try:
                await self._deps.ray.stop(address, attempt_submission_id(key.task_uid, key.number))
            except (RayUnavailableError, RayRefusedError) as error:
                logger.info("ray did not stop a job", extra={"attempt": str(key), "cause": str(error)})
