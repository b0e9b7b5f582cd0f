"""Execution of one delivered request: parse, claim, run, publish."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cognitive_runtime.adapters.tracing import span
from cognitive_runtime.adapters.wire import parse_rejected, parse_request
from cognitive_runtime.adapters.worker.lease import LeaseTiming
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
    """Outcome of a delivery."""

    PUBLISHED = "published"
    CLAIMED_ELSEWHERE = "claimed elsewhere"
    OTHER_MODE = "other mode"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class AttemptDependencies:
    """Dependencies of the execution of attempts."""

    identity: WorkerIdentity
    claims: IClaims
    publisher: IResultPublisher
    execute: ExecuteAgentTask
    clock: IClock


@dataclass
class AttemptRunner:
    """Executes the attempts of one worker, each at most once across all workers."""

    parts: AttemptDependencies
    is_lease_held: Callable[[], bool]
    on_outcome: Callable[[ExecutionRequest, AttemptOutcome], None]
    lease_timing: LeaseTiming = field(default_factory=LeaseTiming)
    _running: dict[str, StopSignal] = field(default_factory=dict)

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of the attempts that this worker claims, runs or publishes."""
        return tuple(self._running)

    def stop(self, attempt_id: str, reason: str) -> None:
        """Stop an attempt on the operator's request; ignored if it does not run here."""
        signal = self._running.get(attempt_id)
        if signal is not None:
            signal.stop(Cancelled(f"The operator stopped the attempt: {reason}."))

    def stop_for_lost_lease(self) -> None:
        """Stop all attempts because the lease is lost: the operator starts other attempts in their place."""
        self._stop_all(self._lease_lost())

    def stop_for_shutdown(self) -> None:
        """Stop all attempts because the worker ends."""
        self._stop_all(InternalError("The executor was shut down before the attempt ended."))

    async def handle(self, delivery: IDelivery) -> DeliveryOutcome:
        """Execute the requested attempt, unless it is unreadable, for another mode or claimed by another worker."""
        if delivery.attempt_id in self._running:
            await delivery.ack()
            return DeliveryOutcome.CLAIMED_ELSEWHERE
        parsed = self._read(delivery)
        if parsed is None:
            await delivery.terminate()
            return DeliveryOutcome.UNREADABLE
        if parsed.mode != self.parts.identity.mode:
            await delivery.ack()
            return DeliveryOutcome.OTHER_MODE
        self._running[delivery.attempt_id] = StopSignal()
        try:
            return await self._claim_and_run(delivery, parsed)
        finally:
            del self._running[delivery.attempt_id]

    async def _claim_and_run(self, delivery: IDelivery, parsed: ExecutionRequest | FailureResult) -> DeliveryOutcome:
        began = self.parts.clock.monotonic()
        claimed = await self.parts.claims.create(delivery.attempt_id)
        await delivery.ack()
        if not claimed:
            return DeliveryOutcome.CLAIMED_ELSEWHERE
        if isinstance(parsed, FailureResult):
            await self.parts.publisher.publish_failure(parsed)
            _log_outcome(parsed)
            return DeliveryOutcome.PUBLISHED
        signal = self._running[delivery.attempt_id]
        if self.parts.clock.monotonic() - began > self.lease_timing.lost_after_s or not self.is_lease_held():
            signal.stop(self._lease_lost())  # the claim took so long that the operator may have replaced the attempt
        await self._run(parsed, signal)
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
        """Return the request, the failure that answers an invalid one, or None if no answer is possible."""
        identity = self.parts.identity
        parsed: ExecutionRequest | FailureResult | None
        try:
            parsed = parse_request(delivery.data)
        except InvalidRequest as error:
            now, (worker, submission_id) = self.parts.clock.now(), (identity.worker, identity.submission_id)
            parsed = parse_rejected(delivery.data, error, worker=worker, submission_id=submission_id, timestamp=now)
        named = (identity.namespace, identity.agent_uid, delivery.attempt_id)
        if parsed is None or (parsed.namespace, parsed.agent_uid, parsed.attempt_id) != named:
            _LOGGER.error("unreadable request", extra={"event": "RequestUnreadable", "attempt": delivery.attempt_id})
            return None
        return parsed

    def _stop_all(self, reason: ReasoningError) -> None:
        for signal in self._running.values():
            signal.stop(reason)

    def _lease_lost(self) -> ReasoningError:
        return LeaseLost(f"The worker could not renew its lease for {self.lease_timing.lost_after_s:g} s.")


def _log_outcome(outcome: AttemptOutcome) -> None:
    _LOGGER.info(
        "attempt ended",
        extra={
            "event": "AttemptEnded",
            "namespace": outcome.namespace,
            "task": outcome.task_name,
            "attempt": outcome.attempt_id,
            "variant": outcome.variant,
            "outcome": outcome.status,
            "error_type": outcome.error_type if isinstance(outcome, FailureResult) else None,
            "duration_ms": outcome.duration_ms,
        },
    )
