"""What a worker does with one delivery: read it, claim it, run it, publish how it ended."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cognitive_runtime.adapters.tracing import span
from cognitive_runtime.adapters.wire import parse_rejected, parse_request
from cognitive_runtime.adapters.worker.lease import LOST_AFTER_S
from cognitive_runtime.adapters.worker.ports import IClaims, IDelivery, WorkerIdentity
from cognitive_runtime.application import ExecuteAgentTask, StopSignal
from cognitive_runtime.domain import (
    AttemptOutcome,
    Cancelled,
    ExecutionRequest,
    FailureResult,
    IClock,
    InternalError,
    InvalidRequest,
    IResultPublisher,
    LeaseLost,
    ReasoningError,
)

_LOGGER: Final = logging.getLogger(__name__)


class DeliveryOutcome(StrEnum):
    """What became of a delivery."""

    PUBLISHED = "published"
    CLAIMED_ELSEWHERE = "claimed elsewhere"
    OTHER_MODE = "other mode"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class AttemptDependencies:
    """What executing attempts takes."""

    identity: WorkerIdentity
    claims: IClaims
    publisher: IResultPublisher
    execute: ExecuteAgentTask
    clock: IClock


@dataclass
class AttemptRunner:
    """The attempts of one worker, each executed at most once by anybody."""

    parts: AttemptDependencies
    is_lease_held: Callable[[], bool]
    on_outcome: Callable[[ExecutionRequest, AttemptOutcome], None]
    _running: dict[str, StopSignal] = field(default_factory=dict)

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the attempts that this worker claims, runs or publishes."""
        return tuple(self._running)

    def stop(self, attempt_id: str, reason: str) -> None:
        """Stop an attempt on the operator's word, if it runs here."""
        signal = self._running.get(attempt_id)
        if signal is not None:
            signal.stop(Cancelled(f"The operator stopped the attempt: {reason}."))

    def stop_for_lost_lease(self) -> None:
        """Stop all attempts: the operator has given them up, or will before they end."""
        self._stop_all(_lease_lost())

    def stop_for_shutdown(self) -> None:
        """Stop all attempts: their worker ends."""
        self._stop_all(InternalError("The executor was shut down before the attempt ended."))

    async def handle(self, delivery: IDelivery) -> DeliveryOutcome:
        """Execute the attempt that a delivery asks for, if it is this worker's to execute."""
        if delivery.attempt_id in self._running:
            await delivery.ack()
            return DeliveryOutcome.CLAIMED_ELSEWHERE
        asked = self._read(delivery)
        if asked is None:
            await delivery.terminate()
            return DeliveryOutcome.UNREADABLE
        if asked.mode != self.parts.identity.mode:
            await delivery.ack()
            return DeliveryOutcome.OTHER_MODE
        self._running[delivery.attempt_id] = StopSignal()
        try:
            return await self._claim_and_run(delivery, asked)
        finally:
            del self._running[delivery.attempt_id]

    async def _claim_and_run(self, delivery: IDelivery, asked: ExecutionRequest | FailureResult) -> DeliveryOutcome:
        began = self.parts.clock.monotonic()
        claimed = await self.parts.claims.create(delivery.attempt_id)
        await delivery.ack()
        if not claimed:
            return DeliveryOutcome.CLAIMED_ELSEWHERE
        if isinstance(asked, FailureResult):
            await self.parts.publisher.publish_failure(asked)
            _log_outcome(asked)
            return DeliveryOutcome.PUBLISHED
        signal = self._running[delivery.attempt_id]
        if self.parts.clock.monotonic() - began > LOST_AFTER_S or not self.is_lease_held():
            signal.stop(_lease_lost())  # the answer of the broker came too late: it may be given up already
        await self._run(asked, signal)
        return DeliveryOutcome.PUBLISHED

    async def _run(self, request: ExecutionRequest, signal: StopSignal) -> None:
        identity = self.parts.identity
        known = {"cognitive.task.name": request.task_name, "cognitive.task.type": request.task_type.value}
        with span("execute", known, request.traceparent) as executing:
            outcome = await self.parts.execute.run_and_publish(
                request, self.parts.publisher, worker=identity.worker, submission_id=identity.submission_id, stop=signal
            )
            executing.set_attribute("cognitive.attempt.outcome", outcome.status)
        _log_outcome(outcome)
        self.on_outcome(request, outcome)

    def _read(self, delivery: IDelivery) -> ExecutionRequest | FailureResult | None:
        """Return the request, or the failure that answers it, or None when nobody can be answered."""
        identity = self.parts.identity
        asked: ExecutionRequest | FailureResult | None
        try:
            asked = parse_request(delivery.data)
        except InvalidRequest as error:
            now, (worker, submission_id) = self.parts.clock.now(), (identity.worker, identity.submission_id)
            asked = parse_rejected(delivery.data, error, worker=worker, submission_id=submission_id, timestamp=now)
        named = (identity.namespace, identity.agent_uid, delivery.attempt_id)
        if asked is None or (asked.namespace, asked.agent_uid, asked.attempt_id) != named:
            _LOGGER.error("unreadable request", extra={"event": "RequestUnreadable", "attempt": delivery.attempt_id})
            return None
        return asked

    def _stop_all(self, reason: ReasoningError) -> None:
        for signal in self._running.values():
            signal.stop(reason)


def _lease_lost() -> ReasoningError:
    return LeaseLost(f"The worker could not renew its lease for {LOST_AFTER_S:g} s.")


def _log_outcome(outcome: AttemptOutcome) -> None:
    _LOGGER.info(
        "attempt ended",
        extra={
            "event": "AttemptEnded",
            "namespace": outcome.namespace,
            "task": outcome.task_name,
            "attempt": outcome.attempt_id,
            "outcome": outcome.status,
            "error_type": outcome.error_type if isinstance(outcome, FailureResult) else None,
            "duration_ms": outcome.duration_ms,
        },
    )
