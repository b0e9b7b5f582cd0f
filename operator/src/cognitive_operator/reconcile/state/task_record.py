"""The record of a task: the object as last read, and this process's own state of the task."""

from dataclasses import dataclass
from typing import TypedDict

from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.names import ObjectName
from cognitive_operator.api.resources import Task
from cognitive_operator.api.task_body import StartedAttempt, TaskAttempts, TaskEnd
from cognitive_operator.plan.attempt.facts import JobAnswer, Reading
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, InFlightAttempt
from cognitive_operator.plan.gates.signature import UsedSignature
from cognitive_operator.ports.broker import Delivery
from cognitive_operator.ports.kube import Body


@dataclass(frozen=True)
class PendingResponse:
    """A verified response that is not settled yet."""

    end: AttemptEnd
    """The end that it reports."""
    delivery: Delivery | None
    """None: it was read from the stream."""


@dataclass(frozen=True)
class JobObservation:
    """Ray's latest answer about the job of an attempt, which no step has used yet."""

    number: int
    """Number of the attempt."""
    answer: JobAnswer
    log: Reading[str] | None = None
    """The job's log; None: it was not read."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task and what this process knows of it; only the index writes it.

    The record of a finished task has no body: it keeps names and what counting and deletion need.
    """

    uid: str
    name: ObjectName
    agent: ObjectName
    """Namespace and name of the agent that the task refers to, which may not exist."""
    version: int
    arrival: int
    """The resourceVersion at which the task was first seen: orders tasks by their creation, also after a restart."""
    since_s: float
    """Monotonic seconds at which the task was first seen."""
    seen: TaskAttempts | None = None
    body: Body | None = None
    task: Task | None = None
    spec_bytes: int = 0
    written_s: float = float("-inf")
    """Monotonic seconds of this process's last write of the status."""
    not_before_s: float | None = None
    """Monotonic seconds before which no attempt may start; None: not known yet."""
    has_found_input: bool = False
    """True: all input from other objects was found. It is read again when an attempt starts."""
    has_input_beside: bool = False
    """True: this process stored the input of the present attempt in an object beside the request."""
    attempt: InFlightAttempt | None = None
    job: JobObservation | None = None
    charged: int = 0
    """Number of the last attempt whose response was charged to the agent, before the status reports its end."""
    is_schema_sound: bool = False
    """True: the output schema was checked and has no fault."""
    signature: UsedSignature | None = None
    """The signature of a Custom task, whose input fits it: fixed once the status names its generation."""
    judge: UsedSignature | None = None
    """The signature that judges the answers of a deliberation, in the version of the next attempt."""
    tried: tuple[StartedAttempt, ...] = ()
    """The attempts in the task's status."""
    needs: tuple[str, ...] = ()
    """Names of the tasks that it depends on, in its own namespace."""
    reason: str | None = None
    """The reason in the task's status."""
    end: TaskEnd | None = None
    """Time and TTL of a finished task; None: not finished, being deleted, or the time is not known."""
    pending_responses: tuple[PendingResponse, ...] = ()
    forgiven: frozenset[int] = frozenset()
    """Numbers of attempts that use up no retry, as found after the status reported their ends."""
    outages: frozenset[int] = frozenset()
    """Openings of the agent's circuit by failing inference that the task has met, by their number."""

    @property
    def is_finished(self) -> bool:
        """True for a task whose phase is terminal."""
        return self.body is None

    @property
    def phase(self) -> str | None:
        """The phase in the task's status."""
        return self.seen.phase if self.seen is not None else None

    @property
    def has_succeeded(self) -> bool:
        """True once the task has a result."""
        return self.phase == Phase.SUCCEEDED

    def has_closed(self, number: int) -> bool:
        """Return True if the status reports the end of an attempt."""
        return self.task is None or number <= self.task.status.last_closed

    def was_claimed(self, number: int) -> bool:
        """Return True if the status names the worker of an attempt."""
        return self.task is not None and any(a.number == number and a.worker for a in self.task.status.attempts)

    def owes(self, end: AttemptEnd) -> bool:
        """Return True for the verified response of the attempt in flight if it is not charged yet."""
        is_present = self.attempt is not None and self.attempt.key == end.key
        return is_present and end.response is not None and self.charged < end.key.number

    @property
    def has_late_response(self) -> bool:
        """True while a response is pending whose attempt has ended already."""
        return any(self.has_closed(each.end.key.number) for each in self.pending_responses)

    def reported_end(self) -> AttemptEnd | None:
        """Return the end of the present attempt by its pending response: of repeated ones the first in the stream."""
        ends = (each.end for each in self.pending_responses if not self.has_closed(each.end.key.number))
        return min(ends, key=lambda end: end.sequence or 0, default=None)


class TaskChanges(TypedDict, total=False):
    """The fields of a record that ``Index.update_task`` changes; the others follow from the task's object."""

    written_s: float
    not_before_s: float | None
    has_found_input: bool
    has_input_beside: bool
    attempt: InFlightAttempt | None
    job: JobObservation | None
    charged: int
    is_schema_sound: bool
    signature: UsedSignature | None
    judge: UsedSignature | None
    pending_responses: tuple[PendingResponse, ...]
    forgiven: frozenset[int]
    outages: frozenset[int]


def new_task_record(body: Body, now_s: float) -> TaskRecord:
    """Return the record of a task that is first seen, without the facts of its object."""
    meta = body["metadata"]
    namespace, version = meta["namespace"], int(meta["resourceVersion"])
    agent = (namespace, body["spec"]["agentRef"]["name"])
    return TaskRecord(meta["uid"], (namespace, meta["name"]), agent, 0, version, now_s)
