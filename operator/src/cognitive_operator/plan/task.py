"""Decides the next step of a task: write its status, publish an attempt or wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cognitive_operator.api.conditions import Condition, Outcome, Phase, Reason, as_sentence
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.resources import MAX_SPEC_BYTES, Agent, Attempt, SignatureVersion, Task
from cognitive_operator.api.wire import Completed
from cognitive_operator.plan.agent.model.failure_row import InferenceFacts, judged_end, with_forgiven
from cognitive_operator.plan.attempt import retry, side_effects
from cognitive_operator.plan.attempt.cancel_and_suspend import cancel_and_suspend, cancelled_end, stopped_end
from cognitive_operator.plan.attempt.in_flight import (
    MODEL_FAILURES,
    AttemptEnd,
    InFlightAttempt,
    bounded_attempts,
    with_attempt,
)
from cognitive_operator.plan.attempt.timing import RUNNING_AFTER_S
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.variant import task_variant
from cognitive_operator.status import task as status
from cognitive_operator.status.output import output_conditions

QUEUED_AFTER_S: Final = 1.0
POSITION_EVERY_S: Final = 30.0
POSITIONS_SHOWN: Final = 100
"""Source of the three, and of ``RUNNING_AFTER_S``: the budget of three writes to the task object for each task."""
SOON_S: Final = 30.0
"""A task that is expected to start sooner gets no status that says why it waits."""
SOON_CHECK_S: Final = 5.0
"""Longest delay before that expectation is checked again."""


@dataclass(frozen=True)
class TaskFacts:
    """Observations about a task."""

    task: Task
    raw_status: Mapping[str, Any]
    spec_bytes: int
    agent: Agent | None
    blocker: Condition | None
    """The condition that keeps the agent's tasks from being dispatched; None: they can be."""
    gate: GateResult | None
    attempt: InFlightAttempt | None
    end: AttemptEnd | None
    has_slot: bool
    position: int | None
    why_waiting: str
    """Reason why the task waits for a slot, as a sentence; each running task of the agent occupies one slot."""
    waited_s: float
    """Seconds since this process first saw the task."""
    written_s: float
    """Seconds since this process last wrote the status; infinity if it never did."""
    backoff_left_s: float
    now_s: float
    now: str
    inference: InferenceFacts = field(default_factory=InferenceFacts)
    signature: SignatureVersion | None = None
    """The version of a Custom task's signature that its next attempt uses."""
    starts_in_s: float | None = None
    """Seconds until the task gets a slot by the present speed of its queue; None: not known."""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts in the task's status, with those that are known by now to use up no retry."""
        attempts, forgiven = self.task.status.attempts, self.inference.forgiven
        return with_forgiven(attempts, forgiven) if forgiven else attempts


@dataclass(frozen=True)
class TaskPlan:
    """Steps in this order: write the status, publish the next attempt, reconcile again."""

    patch: Mapping[str, Any] | None = None
    publish: int | None = None
    recheck_s: float | None = None
    backoff_s: float | None = None
    """Seconds before the next attempt may be published."""
    closes: bool = False
    """True: the attempt in flight has ended and its slot is free."""
    is_paced: bool = False
    """True: the patch only says why the task waits, and its write may be put off."""


def plan_task(facts: TaskFacts) -> TaskPlan:
    """Return the next step of a task that is not finished."""
    if facts.end is not None:
        return _close(facts, facts.end)
    if facts.spec_bytes > MAX_SPEC_BYTES:
        message = (
            f"spec is {facts.spec_bytes} bytes of JSON; the limit is {MAX_SPEC_BYTES}. "
            "Shorten spec.input or move parts to spec.inputFrom."
        )
        return _write(facts, status.refused(_stamp(facts), Reason.INPUT_TOO_LARGE, message))
    if facts.gate is not None:
        return _gated(facts, facts.gate)
    if facts.attempt is not None:
        return _watch(facts, facts.attempt)
    if facts.agent is None:
        return _write(facts, _missing_agent(facts), recheck_s=POSITION_EVERY_S, is_paced=not _is_edited(facts))
    return _wait_or_publish(facts)


def _gated(facts: TaskFacts, gate: GateResult) -> TaskPlan:
    if gate.is_final and not gate.is_accepted:
        return _write(facts, status.refused(_stamp(facts), gate.reason, gate.message))
    if gate.is_final:
        return _write(facts, status.failed(_stamp(facts), gate.reason, gate.message))
    is_reported = facts.task.status.reason == gate.reason or facts.task.status.phase is Phase.QUEUED
    if not is_reported and facts.waited_s < QUEUED_AFTER_S:
        return TaskPlan(recheck_s=QUEUED_AFTER_S - facts.waited_s)
    phase = _waiting_phase(facts) if gate.phase is Phase.PENDING else gate.phase
    patch = status.gated(_stamp(facts), phase, gate.reason, gate.message, is_accepted=gate.is_accepted)
    return _write(facts, patch, recheck_s=gate.recheck_s, is_paced=not _is_edited(facts))


def _missing_agent(facts: TaskFacts) -> Mapping[str, Any]:
    meta, name = facts.task.metadata, facts.task.spec.agent_ref.name
    message = (
        f"CognitiveAgent {meta.namespace}/{name} (spec.agentRef.name) does not exist; waiting for it to be created."
    )
    return status.gated(_stamp(facts), _waiting_phase(facts), Reason.AGENT_NOT_FOUND, message, is_accepted=False)


def _waiting_phase(facts: TaskFacts) -> Phase:
    """Return the phase of a waiting task: one that was queued once does not go back to Pending."""
    return Phase.PENDING if facts.task.status.phase in (None, Phase.PENDING) else Phase.QUEUED


def _close(facts: TaskFacts, ended: AttemptEnd) -> TaskPlan:
    end, policy = ended, facts.task.retry_policy(facts.agent)
    if end.reason == Reason.CANCELLED:
        end = stopped_end(facts.task, end, facts.attempt)
    earlier, stamp = [a for a in facts.attempts if a.number != end.key.number], _stamp(facts)
    if end.reason in MODEL_FAILURES:
        end = judged_end(facts.inference, policy, end, earlier)
    attempts = with_attempt(_with_in_flight(facts, end, earlier), end.status_entry())
    if isinstance(end.response, Completed):
        more = _output(facts, end) if facts.task.spec.output_schema is not None else ()
        return _write(facts, status.succeeded(stamp, bounded_attempts(attempts), end.response, *more), closes=True)
    is_retried = retry.is_retried(policy, end, attempts)
    if is_retried and facts.task.spec.cancel:
        end = cancelled_end(end)
    elif is_retried and side_effects.prevents_retry(policy, end):
        end = side_effects.not_repeated(end)
    elif is_retried and (excess := retry.overspent(facts.task, attempts)):
        message = f"{as_sentence(end.message)} Not retried: {excess}"
        end = replace(end, reason=Reason.BUDGET_EXCEEDED, message=message)
    elif is_retried:
        return _again(facts, end, attempts, retry.backoff_s(policy, end, attempts))
    message = f"Attempt {end.key.number} of {facts.task.metadata.name}: {end.message}"
    more = _output(facts, end)
    return _write(
        facts, status.failed(stamp, end.reason, message, bounded_attempts(attempts), end.response, *more), closes=True
    )


def _with_in_flight(facts: TaskFacts, end: AttemptEnd, earlier: Sequence[Attempt]) -> Sequence[Attempt]:
    """Return the attempts with the ended one as it is known from its publication or, after a restart, its status."""
    if facts.attempt is not None and facts.attempt.key == end.key:
        return [*earlier, facts.attempt.status_entry()]
    return facts.attempts


def _output(facts: TaskFacts, end: AttemptEnd) -> list[Condition]:
    return output_conditions(facts.task.spec.output_schema is not None, end.response)


def _again(facts: TaskFacts, end: AttemptEnd, attempts: Sequence[Attempt], backoff_s: float) -> TaskPlan:
    stamp, gate, attempts = _stamp(facts), cancel_and_suspend(facts.task.spec), bounded_attempts(attempts)
    if gate is not None:
        patch = status.gated(stamp, gate.phase, gate.reason, gate.message, attempts=attempts)
    else:
        ended = "was suspended" if end.outcome is Outcome.SUSPENDED else f"failed ({end.reason})"
        message = f"Attempt {end.key.number} {ended}: {as_sentence(end.message)} Retrying in {backoff_s:.0f} s."
        patch = status.queued(stamp, Reason.BACKING_OFF, message, None, attempts)
    return _write(facts, patch, recheck_s=backoff_s, backoff_s=backoff_s, closes=True)


def _watch(facts: TaskFacts, attempt: InFlightAttempt) -> TaskPlan:
    if facts.agent is None:  # unknown to this process or deleted a moment ago: the next step reads it
        return TaskPlan(recheck_s=QUEUED_AFTER_S)
    age_s = facts.now_s - attempt.since_s
    if attempt.stopping_since_s is not None:
        return TaskPlan(recheck_s=RUNNING_AFTER_S)
    if attempt.is_running and age_s >= RUNNING_AFTER_S:
        attempts = bounded_attempts(with_attempt(facts.attempts, attempt.status_entry()))
        if facts.task.status.phase is Phase.RUNNING and facts.task.status.attempts[-1:] == attempts[-1:]:
            return TaskPlan(recheck_s=_watch_interval_s(age_s))
        return _write(facts, status.running(_stamp(facts), attempts), recheck_s=_watch_interval_s(age_s))
    if attempt.claim is None and age_s >= QUEUED_AFTER_S:
        reason = facts.blocker.reason if facts.blocker else Reason.WAITING_FOR_EXECUTOR
        message = facts.blocker.message if facts.blocker else "Waiting for an executor to pick up the request."
        patch = status.queued(_stamp(facts), reason, message, None, ())
        return _write(facts, patch, recheck_s=_watch_interval_s(age_s), is_paced=True)
    return TaskPlan(recheck_s=_watch_interval_s(age_s))


def _watch_interval_s(age_s: float) -> float:
    if age_s < RUNNING_AFTER_S:
        return RUNNING_AFTER_S - age_s
    return 0.5 if age_s < QUEUED_AFTER_S else 2.0 if age_s < 10 else 5.0


def _wait_or_publish(facts: TaskFacts) -> TaskPlan:
    if facts.has_slot and facts.blocker is None and facts.backoff_left_s <= 0:
        return _publish(facts, facts.task.status.last_closed + 1)
    if facts.waited_s < QUEUED_AFTER_S:
        return TaskPlan(recheck_s=QUEUED_AFTER_S - facts.waited_s)
    recheck_s = facts.backoff_left_s if facts.backoff_left_s > 0 else POSITION_EVERY_S
    if facts.backoff_left_s > 0 and facts.task.status.reason == Reason.BACKING_OFF:
        return TaskPlan(recheck_s=recheck_s)
    is_edited = _is_edited(facts)
    if facts.starts_in_s is not None and facts.starts_in_s <= SOON_S and not is_edited:
        return TaskPlan(recheck_s=max(QUEUED_AFTER_S, min(SOON_CHECK_S, facts.starts_in_s)))
    return _write_waiting(facts, recheck_s, is_edited=is_edited)


def _write_waiting(facts: TaskFacts, recheck_s: float, *, is_edited: bool) -> TaskPlan:
    """Plan the write of why the task waits, unless its status says so already or was written a moment ago."""
    reason, message, position = _waiting(facts)
    changed = facts.attempts if facts.attempts != facts.task.status.attempts else ()
    is_news = facts.task.status.phase is not Phase.QUEUED or facts.task.status.reason != reason
    is_news |= is_edited
    is_message_current = position is None or message == facts.raw_status.get("message")
    is_same = position == facts.task.status.queue_position and is_message_current
    if not is_news and is_same:
        return TaskPlan(recheck_s=recheck_s)
    if not is_news and facts.written_s < POSITION_EVERY_S:
        return TaskPlan(recheck_s=min(recheck_s, POSITION_EVERY_S - facts.written_s))
    patch = status.queued(_stamp(facts), reason, message, position, changed)
    return _write(facts, patch, recheck_s=recheck_s, is_paced=not is_edited)


def _is_edited(facts: TaskFacts) -> bool:
    """Return True if the spec has changed since the status was written: that write is not put off."""
    generation = facts.task.metadata.generation
    return bool(facts.raw_status.get("observedGeneration", generation) != generation)


def _publish(facts: TaskFacts, number: int) -> TaskPlan:
    """Plan an attempt. The status names the version of its signature and its variant first, also after any crash."""
    patch: dict[str, Any] = {} if facts.signature is None else {"signature": facts.signature.model_dump()}
    agent = facts.agent
    variant = task_variant(facts.task, agent) if agent is not None and agent.spec.llm.variants else None
    if variant != facts.task.status.variant:
        patch["variant"] = variant
    return _write(facts, patch, publish=number) if patch else TaskPlan(publish=number)


def _waiting(facts: TaskFacts) -> tuple[str, str, int | None]:
    position = facts.position if facts.position is not None and facts.position <= POSITIONS_SHOWN else None
    if facts.blocker is not None:
        return facts.blocker.reason, facts.blocker.message, position
    return Reason.WAITING_FOR_SLOT, facts.why_waiting, position


def _write(facts: TaskFacts, patch: Mapping[str, Any], **more: Any) -> TaskPlan:
    """Plan the write of a patch, or none when it would change nothing."""
    if merge_patch(facts.raw_status, patch) == dict(facts.raw_status):
        return TaskPlan(**more | {"is_paced": False})
    return TaskPlan(patch=patch, **more)


def _stamp(facts: TaskFacts) -> status.Stamp:
    return status.Stamp(facts.raw_status, facts.task.metadata.generation, facts.now)
