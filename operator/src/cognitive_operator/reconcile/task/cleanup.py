"""Stops attempts that must not run and removes what they left on the broker and on Ray."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from cognitive_operator.api.names import (
    MAX_ARTIFACTS,
    AttemptKey,
    ObjectName,
    artifact_name,
    attempt_submission_id,
    input_name,
    objects_of,
    request_subject,
    results_bucket,
)
from cognitive_operator.api.wire import Claim, Stop
from cognitive_operator.errors import RayRefusedError, RayUnavailableError
from cognitive_operator.ports.broker import Claims, Control, Leases, Objects, Requests
from cognitive_operator.ports.ray import RayJobs, RayTarget
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.deletion_log import log_deletion
from cognitive_operator.reconcile.state.fair_semaphore import PermitLimits
from cognitive_operator.reconcile.state.workqueue import WorkQueue

logger = logging.getLogger(__name__)
WORKERS: Final = PermitLimits(64, per_namespace=16, per_agent=4)
"""Calls of Ray about jobs may hang: one agent's delay no other agent's."""


class AttemptBroker(Protocol):
    """Resources of an attempt on the broker."""

    @property
    def requests(self) -> Requests:
        """Requests."""

    @property
    def claims(self) -> Claims:
        """Claims."""

    @property
    def leases(self) -> Leases:
        """Leases."""

    @property
    def objects(self) -> Objects:
        """Objects."""

    @property
    def control(self) -> Control:
        """Control messages."""


class AttemptCleanup:
    """Work queue of attempts to clean up; each is retried until nothing of it is left.

    Args:
        broker: What attempts have on the broker.
        ray: Stops and deletes Ray jobs.
        ray_target: Returns the Ray dashboard of an agent by its UID, None if the agent no longer has a Ray cluster.
        stop_every_s: Interval at which the stop of an executor is repeated.
        backoff_s: Delays after repeated failures.
    """

    def __init__(
        self,
        broker: AttemptBroker,
        ray: RayJobs,
        ray_target: Callable[[str], RayTarget | None],
        *,
        stop_every_s: float,
        backoff_s: tuple[float, ...],
    ) -> None:
        self._broker = broker
        self._ray = ray
        self._ray_target = ray_target
        self._stop_every_s = stop_every_s
        self._stopping: set[AttemptKey] = set()
        """Attempts that were told to stop and that have not ended yet."""
        self._queue = WorkQueue[AttemptGarbage]("cleanup", WORKERS, agent_of=_agent_of, backoff_s=backoff_s)
        self._queue.start(self._clean)

    def add(self, garbage: AttemptGarbage) -> None:
        """Stop an attempt and remove what it left."""
        self._queue.add(garbage)

    async def close(self) -> None:
        """Stop; the rest is removed later as orphans."""
        await self._queue.close()

    async def _clean(self, garbage: AttemptGarbage) -> float | None:
        broker, key = self._broker, garbage.key
        if garbage.is_input:
            await self._delete_object(garbage, input_name(key))
            return None
        if garbage.namespace:
            subject = request_subject(garbage.namespace, key)
            if await broker.requests.delete(subject):
                log_deletion(f"request {subject}", garbage.reason)
        claim = await broker.claims.get(key)
        if claim is not None and claim.state == "running" and await self._is_alive(key, claim):
            await self._stop(garbage, claim)
            return self._stop_every_s
        self._stopping.discard(key)
        if not garbage.is_gone:
            return None
        if claim is not None and claim.mode == "Job" and not garbage.is_job:
            self.add(replace(garbage, is_job=True))  # only the claim, deleted next, names a job
            return None
        if await broker.claims.purge(key):
            log_deletion(f"claim {key}", garbage.reason)
        for name in objects_of(key):
            await self._delete_object(garbage, name)
        await self._delete_artifacts(garbage)
        return await self._delete_job(key) if garbage.is_job else None

    async def _delete_object(self, garbage: AttemptGarbage, name: str) -> None:
        agent_uid = garbage.key.agent_uid
        if await self._broker.objects.delete(agent_uid, name):
            log_deletion(f"object {name} of bucket {results_bucket(agent_uid)}", garbage.reason)

    async def _delete_artifacts(self, garbage: AttemptGarbage) -> None:
        """Delete the large answers of tools; the first, without which there are no others, last."""
        key = garbage.key
        if not await self._broker.objects.exists(key.agent_uid, artifact_name(key, 1)):
            return
        for number in range(MAX_ARTIFACTS, 0, -1):
            await self._delete_object(garbage, artifact_name(key, number))

    async def _delete_job(self, key: AttemptKey) -> float | None:
        """Delete an attempt's Ray job; one that still runs is stopped first."""
        target = self._ray_target(key.agent_uid)
        if target is None:
            return None
        submission_id = attempt_submission_id(key.task_uid, key.number)
        try:
            job = await self._ray.get(target, submission_id)
            if job is not None and not job.is_terminal:
                await self._ray.stop(target, submission_id)
                return self._stop_every_s
            if job is not None:
                await self._ray.delete(target, submission_id)
        except RayRefusedError as error:
            logger.info("ray refused to delete a job", extra={"attempt": str(key), "cause": str(error)})
        return None

    async def _is_alive(self, key: AttemptKey, claim: Claim) -> bool:
        """Return True if the worker of a claim has a lease; a worker without one no longer ends the attempt."""
        leases = await self._broker.leases.list(key.agent_uid)
        return any(observed.lease.worker == claim.worker for observed in leases)

    async def _stop(self, garbage: AttemptGarbage, claim: Claim) -> None:
        key = garbage.key
        if key not in self._stopping:
            self._stopping.add(key)
            fields = {"attempt": str(key), "worker": claim.worker, "reason": garbage.reason}
            logger.info("stopping an attempt", extra=fields)
        if garbage.namespace:  # without it the agent is unknown, so the subject of its executors is, too
            stop = Stop(task_uid=key.task_uid, attempt=key.number, reason=garbage.stop_reason)
            payload = json.dumps(stop.model_dump()).encode()
            await self._broker.control.send(garbage.namespace, key.agent_uid, payload)
        target, submission_id = self._ray_target(key.agent_uid), attempt_submission_id(key.task_uid, key.number)
        if claim.submission_id == submission_id and target is not None:  # the Ray job of a warm slot has others' work
            try:
                await self._ray.stop(target, submission_id)
            except (RayUnavailableError, RayRefusedError) as error:
                logger.info("ray did not stop a job", extra={"attempt": str(key), "cause": str(error)})


def _agent_of(garbage: AttemptGarbage) -> ObjectName:
    """Return the agent by its UID, which is all that is known of the agent of an orphan."""
    return garbage.namespace, garbage.key.agent_uid
