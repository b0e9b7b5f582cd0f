"""Takes back a request that no executor has begun."""

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.names import attempt_submission_id, request_subject
from cognitive_operator.plan.attempt import AttemptEnd, InFlightAttempt
from cognitive_operator.plan.gate import GateResult
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import TaskRecord


class Withdrawal:
    """Takes back requests: to publish them anew, or to end their attempt."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index

    async def take_back(self, record: TaskRecord, flight: InFlightAttempt) -> None:
        """Delete a request that nobody claimed; the same attempt is published anew.

        Safe although somebody may claim it now: the claim, not the request, allows one execution.
        """
        await self._deps.broker.requests.delete(request_subject(record.name[0], flight.key))
        record.flight = None
        self._index.put_back(record)

    async def late(
        self, record: TaskRecord, flight: InFlightAttempt, agent: AgentRecord, late: GateResult
    ) -> AttemptEnd | None:
        """Nobody has begun the attempt in time, unless somebody did just now."""
        record.flight = flight = flight.with_claim(
            await self._deps.broker.claims.get(flight.key), self._deps.clock.monotonic()
        )
        if flight.claim is not None:
            return None
        return await self.give_up(record, flight, agent, Reason.QUEUE_TIMEOUT, late.message)

    async def give_up(
        self, record: TaskRecord, flight: InFlightAttempt, agent: AgentRecord, reason: Reason, message: str
    ) -> AttemptEnd | None:
        """End an attempt that nobody began. In Job mode its number is used up: Ray has had a job of its name."""
        await self.take_back(record, flight)
        if flight.mode != "Job":
            return None
        submission_id = attempt_submission_id(flight.key.task_uid, flight.key.number)
        await self._deps.ray.stop(agent.reach_ray(), submission_id)
        is_retryable = reason == Reason.JOB_FAILED
        return flight.closed(self._deps.clock.now(), Outcome.LOST, reason, message, retryable=is_retryable)
