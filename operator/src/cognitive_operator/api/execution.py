"""The ``spec.execution`` section of a CognitiveAgent."""

from decimal import Decimal
from typing import Final, Literal, NamedTuple

from pydantic import Field

from cognitive_operator.api.resource_model import ResourceModel
from cognitive_operator.api.wire import Mode, Placement

ExecutionMode = Literal["Embedded", "Job", "Serve", "Hybrid"]
PlacementReason = Literal["Mode", "Tools", "TaskComplexity", "TypeComplexity", "NoComplexity"]
COMPLEXITY_THRESHOLD: Final = 0.5
_FACTORS: Final = {
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** n for n, unit in enumerate(("k", "M", "G", "T"), start=1)},
    **{unit: Decimal(1024) ** n for n, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), start=1)},
}
"""Source: quantities of Kubernetes."""


class Place(NamedTuple):
    """Place of an attempt's reasoning, and the complexity by which a Hybrid agent chose it."""

    placement: Placement | None = None
    """None: the agent has no application on Ray Serve."""
    complexity: float | None = None
    """None: the agent is not Hybrid."""
    reason: PlacementReason | None = None


NO_PLACE: Final = Place()


class ProcessResources(ResourceModel):
    """Resources that Ray reserves for a process."""

    cpu: str | int | None = None
    memory: str | int | None = None

    @property
    def cpus(self) -> float | None:
        """CPUs; None: Ray's default for the process."""
        return None if self.cpu is None else float(_number(self.cpu))

    @property
    def memory_bytes(self) -> int | None:
        """Memory in bytes; None: none is reserved."""
        return None if self.memory is None else int(_number(self.memory))

    @property
    def reserved(self) -> dict[str, str | int]:
        """Quantities above 0 as they are in the spec, by the name of the resource."""
        quantities = {"cpu": self.cpu, "memory": self.memory}
        return {name: value for name, value in quantities.items() if value is not None and _number(value) > 0}


class ServeAutoscaling(ResourceModel):
    """Autoscaling of the replicas of an application."""

    min_replicas: int = 1
    max_replicas: int
    target_ongoing_requests: int = 8


class ServeTokenRef(ResourceModel):
    """A key of a Secret in the agent's namespace that holds the bearer token of the HTTP route."""

    name: str
    key: str = "token"


class ServePublic(ResourceModel):
    """HTTP route of an application."""

    enabled: bool = False
    token_secret_ref: ServeTokenRef | None = None


class Serve(ResourceModel):
    """The agent's application on Ray Serve."""

    replicas: int | None = None
    """Absent: 1, or autoscaling."""
    autoscaling: ServeAutoscaling | None = None
    resources: ProcessResources = ProcessResources()
    max_ongoing_requests: int = 100
    public: ServePublic = ServePublic()


class JobExecution(ResourceModel):
    """Processes for attempts in Job mode."""

    warm_slots: int = 0
    """Processes that wait for one attempt each."""


class Execution(ResourceModel):
    """Execution mode of an agent, and its processes."""

    mode: ExecutionMode = "Embedded"
    workers: int = 1
    concurrency_per_worker: int = 8
    resources: ProcessResources | None = None
    complexity_threshold: float | None = None
    """Absent: COMPLEXITY_THRESHOLD."""
    complexity_by_type: dict[str, float] = Field(default_factory=dict)
    """Complexity of tasks without their own, by their type."""
    serve: Serve | None = None
    job: JobExecution = JobExecution()

    @property
    def is_job(self) -> bool:
        """True in Job mode: every attempt is a Ray job of its own, or runs in a warm slot."""
        return self.mode == "Job"

    @property
    def warm_slots(self) -> int:
        """Warm slots of an agent in Job mode; 0: every attempt is a Ray job of its own."""
        return self.job.warm_slots if self.is_job else 0

    @property
    def has_executor(self) -> bool:
        """True if a long-lived Ray job takes attempts of the agent."""
        return not self.is_job or self.warm_slots > 0

    @property
    def wire_mode(self) -> Mode:
        """Mode of the agent's attempts: warm workers execute those of every mode but Job."""
        return "Job" if self.is_job else "Embedded"

    @property
    def has_application(self) -> bool:
        """True if the agent has an application on Ray Serve."""
        return self.mode in ("Serve", "Hybrid")

    @property
    def serve_token(self) -> ServeTokenRef | None:
        """Reference to the token of the application's HTTP route, None without a route."""
        is_public = self.has_application and self.serve is not None and self.serve.public.enabled
        return self.serve.public.token_secret_ref if is_public and self.serve is not None else None

    def place(self, task_type: str, complexity: float | None, *, has_tools: bool) -> Place:
        """Return where the task is reasoned about, in the worker or in the Serve application, and why.

        A task with tools stays in the worker, which alone can write side effects into the claim of the attempt.

        Args:
            task_type: ``spec.type`` of the task.
            complexity: ``spec.complexity`` of the task, None without one.
            has_tools: The task uses tools.
        """
        if not self.has_application:
            return NO_PLACE
        if self.mode == "Serve":
            return Place("Embedded", reason="Tools") if has_tools else Place("Serve", reason="Mode")
        found, reason = self._complexity(task_type, complexity)
        if has_tools:
            return Place("Embedded", found, "Tools")
        least = COMPLEXITY_THRESHOLD if self.complexity_threshold is None else self.complexity_threshold
        return Place("Serve" if found >= least else "Embedded", found, reason)

    def _complexity(self, task_type: str, own: float | None) -> tuple[float, PlacementReason]:
        """Return the complexity of a task: its own, or else that of its type, or else 0."""
        if own is not None:
            return own, "TaskComplexity"
        if task_type in self.complexity_by_type:
            return self.complexity_by_type[task_type], "TypeComplexity"
        return 0.0, "NoComplexity"

    def executes(self, mode: Mode, place: Place) -> bool:
        """Return True if executors with this spec can run an attempt of this mode and place."""
        return mode == self.wire_mode and (place.placement != "Serve" or self.has_application)


def _number(quantity: str | int) -> Decimal:
    text = str(quantity)
    digits = text.rstrip("mkKMGTi")
    return Decimal(digits) * _FACTORS.get(text[len(digits) :], Decimal(1))
