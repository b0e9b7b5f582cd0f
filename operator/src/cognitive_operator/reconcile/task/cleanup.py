"""Removes what an attempt leaves on the broker and on Ray, after stopping it if it runs."""

import json
import logging
from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.names import AttemptKey, attempt_submission_id, input_name, object_name, request_subject
from cognitive_operator.api.wire import Claim, Stop
from cognitive_operator.errors import RayRefusedError, RayUnavailableError
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.workqueue import WorkQueue

logger = logging.getLogger(__name__)
STOP_EVERY_S: Final = 2.0
WORKERS: Final = 16


@dataclass(frozen=True)
class AttemptGarbage:
    """An attempt that is to be stopped and whose request nobody may take any more.

    Equal leftovers are one: it can be added again and again, by the sweep too.
    """

    namespace: str
    key: AttemptKey
    is_gone: bool = False
    """True: its task is deleted, so the claim, the objects and the Ray job go as well."""
    is_input: bool = False
    """True: only the object with its input is to go."""
    is_job: bool = False
    """True: it had a Ray job of its own. What a claim says of that counts too."""


class AttemptCleanup:
    """A queue of leftovers; each is worked on until nothing of it is left."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index
        self._queue = WorkQueue[AttemptGarbage]("clean", self._clean, WORKERS)

    def add(self, leftover: AttemptGarbage) -> None:
        """Clean up an attempt."""
        self._queue.add(leftover)

    async def close(self) -> None:
        """Stop; what is left is found again by the next sweep."""
        await self._queue.close()

    async def _clean(self, leftover: AttemptGarbage) -> float | None:
        broker, key = self._deps.broker, leftover.key
        if leftover.is_input:
            await broker.objects.delete(key.agent_uid, input_name(key))
            return None
        if leftover.namespace:  # else it was found by what is left of it: there is no request
            await broker.requests.delete(request_subject(leftover.namespace, key))
        claim = await broker.claims.get(key)
        if claim is not None and claim.state == "running" and await self._is_alive(key, claim):
            await self._stop(leftover, claim)
            return STOP_EVERY_S
        if not leftover.is_gone:
            return None
        if claim is not None and claim.mode == "Job" and not leftover.is_job:
            self.add(replace(leftover, is_job=True))  # the claim, which alone knows it, goes now
            return None
        await broker.claims.purge(key)
        for name in (object_name(key), input_name(key)):
            await broker.objects.delete(key.agent_uid, name)
        return await self._forget_job(key) if leftover.is_job else None

    async def _forget_job(self, key: AttemptKey) -> float | None:
        """Have Ray forget an attempt's job; one that still runs is stopped first."""
        target = self._index.ray_target(key.agent_uid)
        if target is None:
            return None
        submission_id = attempt_submission_id(key.task_uid, key.number)
        try:
            job = await self._deps.ray.get(target, submission_id)
            if job is not None and not job.is_terminal:
                await self._deps.ray.stop(target, submission_id)
                return STOP_EVERY_S
            if job is not None:
                await self._deps.ray.delete(target, submission_id)
        except RayRefusedError as error:
            logger.info("ray did not forget a job", extra={"attempt": str(key), "cause": str(error)})
        return None

    async def _is_alive(self, key: AttemptKey, claim: Claim) -> bool:
        """A worker whose lease expired or was purged ends nothing any more."""
        leases = await self._deps.broker.leases.list(key.agent_uid)
        return any(seen.lease.worker == claim.worker for seen in leases)

    async def _stop(self, leftover: AttemptGarbage, claim: Claim) -> None:
        key = leftover.key
        reason = "TaskDeleted" if leftover.is_gone else "AttemptClosed"
        stop = Stop(task_uid=key.task_uid, attempt=key.number, reason=reason)
        payload = json.dumps(stop.model_dump()).encode()
        await self._deps.broker.control.send(leftover.namespace, key.agent_uid, payload)
        target = self._index.ray_target(key.agent_uid)
        if claim.mode == "Job" and target is not None:
            try:
                await self._deps.ray.stop(target, attempt_submission_id(key.task_uid, key.number))
            except (RayUnavailableError, RayRefusedError) as error:
                logger.info("ray did not stop a job", extra={"attempt": str(key), "cause": str(error)})
