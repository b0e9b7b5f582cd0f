"""Facts that the next step for an attempt depends on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

from cognitive_operator.api.bounds import clean_text
from cognitive_operator.api.conditions import as_sentence
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import Claim
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, InFlightAttempt
from cognitive_operator.ports.ray import RayJob

T = TypeVar("T")
_CAUSE_CHARS: Final = 600
"""Maximum length of an executor's error in a message, so that the remedy after it is not cut off."""


class Source(StrEnum):
    """Facts that are read only on demand."""

    CLAIM = "claim"
    SECOND_CLAIM = "second claim"
    """The claim once more, after the Ray job: the job may have claimed the attempt between the two reads."""
    JOB = "job"
    RESPONSES = "responses"
    REQUEST = "request"
    """The timeout in the request of an attempt that another process published."""
    AGENT = "agent"
    """The UID of the task's agent, by a read of the API server."""


@dataclass(frozen=True)
class Reading(Generic[T]):
    """The result of reading one source."""

    value: T | None
    """None: it does not exist."""


@dataclass(frozen=True)
class JobRefused:
    """Ray refuses an attempt's job for good."""

    message: str


@dataclass(frozen=True)
class JobAwaited:
    """Ray was asked about an attempt's job and has not answered yet."""


JOB_AWAITED: Final = JobAwaited()
JobAnswer = Reading[RayJob] | JobRefused
"""An answer of Ray about an attempt's job."""


@dataclass(frozen=True)
class InvalidResponse:
    """A response in the stream that the attempt's executor signed, and that no status can be made of."""

    cause: str

    def explained(self, sender: str) -> str:
        """Return the cause as sentences for users, with the remedy."""
        cause = as_sentence(clean_text(self.cause, _CAUSE_CHARS))
        return (
            f"{sender} published an unusable response, which is kept as a dead letter: {cause} Read it with `nats "
            "stream view AGENT_DEAD_LETTERS`, and run the operator's version of the runtime on the nodes of Ray."
        )


@dataclass(frozen=True)
class LeaseFacts:
    """The lease of the worker that claimed the attempt, in monotonic seconds."""

    renewed_s: float | None
    """Time of the last renewal that this process has seen; None: the worker has no lease."""
    read_s: float
    """Time at which the agent's leases were last read."""
    ready_since_s: float
    """Start of the present connection to the broker, with its streams; infinity while there is none."""


@dataclass(frozen=True)
class AttemptFacts:
    """Observations about a task's attempt."""

    attempt: InFlightAttempt
    """The attempt in flight, with its claim as far as that is known."""
    task: Task
    agent: Agent | None
    """The task's agent; None: it does not exist, or is being deleted."""
    is_ray_changing: bool
    """True: the agent's Ray cluster is to change as soon as nothing runs on it."""
    is_agent_blocked: bool
    """True: the agent's tasks cannot be dispatched now."""
    server_time_s: float | None
    """The API server's clock in seconds since 1970; None: not known."""
    now_s: float
    now: str
    lease: LeaseFacts | None = None
    """Read together with the claim; None: not read, or there is no claim."""
    claim_fault: str = ""
    """Error of parsing the claim; empty: there is none."""
    claim: Reading[Claim] | None = None
    second_claim: Reading[Claim] | None = None
    job: JobAnswer | JobAwaited | None = None
    log: Reading[str] | None = None
    """Log of the attempt's Ray job; a reading of None: Ray cannot return it; None: not read, the job is not silent."""
    retained: Reading[AttemptEnd | InvalidResponse] | None = None
    """The attempt's end by a response that is in the stream, or the reason why that response cannot end it."""
    live_agent_uid: Reading[str] | None = None
    """UID of the agent of that name in the API server, read because this process does not know the agent."""
