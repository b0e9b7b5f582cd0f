"""What the operator knows of one task."""

from dataclasses import dataclass, field

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.resources import Task
from cognitive_operator.api.wire import Completed, Failed
from cognitive_operator.plan.attempt import InFlightAttempt
from cognitive_operator.plan.usage import TaskAttempts
from cognitive_operator.ports.broker import Delivery
from cognitive_operator.ports.kube import Body
from cognitive_operator.scheduling.ttl_heap import StartedAttempt, TaskEnd

ObjectName = tuple[str, str]
"""Namespace and name."""


@dataclass
class PendingResponse:
    """A verified response, with its delivery when it came by the consumer."""

    namespace: str
    key: AttemptKey
    response: Completed | Failed
    delivery: Delivery | None
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
    flight: InFlightAttempt | None = None
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
