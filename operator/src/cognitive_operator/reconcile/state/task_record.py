"""State that the operator keeps for each task."""

from dataclasses import dataclass, field

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.resources import Task
from cognitive_operator.api.wire import Completed, Failed
from cognitive_operator.plan.in_flight import InFlightAttempt
from cognitive_operator.plan.usage import TaskAttempts
from cognitive_operator.ports.broker import Delivery
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.state.records import ObjectName
from cognitive_operator.scheduling.ttl_heap import StartedAttempt, TaskEnd


@dataclass(frozen=True)
class PendingResponse:
    """A verified response that is not settled yet."""

    key: AttemptKey
    response: Completed | Failed
    delivery: Delivery | None
    """None: it was read from the stream."""
    sequence: int


@dataclass(slots=True)
class TaskRecord:
    """A task and what this process knows of it. A finished one keeps its names and what counting and deletion need."""

    uid: str
    name: ObjectName
    agent: ObjectName
    version: int
    arrival: int
    """Its resourceVersion when it was first seen: the order of creation of new tasks, also after a restart."""
    since_s: float
    seen: TaskAttempts | None = None
    body: Body | None = None
    task: Task | None = None
    spec_bytes: int = 0
    written_s: float = float("-inf")
    not_before_s: float | None = None
    """Monotonic seconds before which no attempt may begin; None: not known yet."""
    input_at_s: float = float("-inf")
    """When all of its input from elsewhere was last found."""
    has_input_beside: bool = False
    """Whether this process put the input of the present attempt into an object."""
    attempt: InFlightAttempt | None = None
    is_schema_sound: bool = False
    """True once its output schema was looked at and found good."""
    tried: tuple[StartedAttempt, ...] = ()
    """The attempts that the status tells of."""
    end: TaskEnd | None = None
    """Of a finished task: by when it is to be deleted."""
    pending_responses: list[PendingResponse] = field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        """True for a task whose phase is terminal."""
        return self.body is None

    def has_closed(self, number: int) -> bool:
        """Tell whether it is over with an attempt."""
        return self.task is None or number <= self.task.status.last_closed

    def was_claimed(self, number: int) -> bool:
        """Tell whether the status names the worker of an attempt."""
        return self.task is not None and any(a.number == number and a.worker for a in self.task.status.attempts)

    def open_response(self) -> PendingResponse | None:
        """Return the response to the present attempt: of repeated ones the first in the stream."""
        still_open = (each for each in self.pending_responses if not self.has_closed(each.key.number))
        return min(still_open, key=lambda each: each.sequence, default=None)

    def late_responses(self) -> list[PendingResponse]:
        """Return the responses to attempts that have ended already, in their order in the stream."""
        late = [each for each in self.pending_responses if self.has_closed(each.key.number)]
        return sorted(late, key=lambda each: each.sequence)
