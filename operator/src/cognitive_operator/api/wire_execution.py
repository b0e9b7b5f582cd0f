"""Message in the environment of an executor's Ray job: settings of its processes."""

from operator import not_

from pydantic import Field

from cognitive_operator.api.wire_model import Part, WireModel, is_absent
from cognitive_operator.api.wire_settings import AgentSettings


class ProcessSettings(Part):
    """Resources that Ray reserves for a process."""

    cpus: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """None: the runtime's default. 0 reserves nothing."""
    memory_bytes: int | None = Field(default=None, exclude_if=is_absent)


class AutoscalingSettings(Part):
    """Autoscaling of the replicas."""

    min_replicas: int
    max_replicas: int
    target_ongoing_requests: int


class PublicSettings(Part):
    """HTTP route of the application."""

    route: str
    token_file: str
    agent: AgentSettings
    """Settings of the calls that arrive by HTTP."""


class ServeSettings(Part):
    """Application of the agent on Ray Serve."""

    replicas: int | None = Field(default=None, exclude_if=is_absent)
    autoscaling: AutoscalingSettings | None = Field(default=None, exclude_if=is_absent)
    max_ongoing_requests: int
    resources: ProcessSettings = ProcessSettings()
    hybrid: bool
    public: PublicSettings | None = Field(default=None, exclude_if=is_absent)


class ExecutionSettings(WireModel):
    """Settings of an executor's processes."""

    worker: ProcessSettings = ProcessSettings()
    serve: ServeSettings | None = Field(default=None, exclude_if=is_absent)
    warm_slots: int = Field(default=0, exclude_if=not_)
    """Processes that wait for one attempt in Job mode each."""
