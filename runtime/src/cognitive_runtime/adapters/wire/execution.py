"""Message in the environment of an executor's Ray job: settings of its processes."""

from pydantic import Field, ValidationError

from cognitive_runtime.adapters.wire.model import Message, Part, WireError, explain
from cognitive_runtime.adapters.wire.requests import Agent
from cognitive_runtime.domain import InvalidRequest
from cognitive_runtime.domain.execution import (
    DEFAULT_CPUS,
    ActorResources,
    ExecutionSettings,
    PublicRoute,
    Scale,
    ServeSettings,
)


class _Resources(Part):
    cpus: float = Field(default=DEFAULT_CPUS, ge=0)
    memory_bytes: int | None = Field(default=None, ge=1)

    def resources(self) -> ActorResources:
        return ActorResources(self.cpus, self.memory_bytes)


class _Autoscaling(Part):
    min_replicas: int = Field(ge=1)
    max_replicas: int = Field(ge=1)
    target_ongoing_requests: int = Field(ge=1)

    def scale(self) -> Scale:
        return self.min_replicas, self.max_replicas, self.target_ongoing_requests


class _Public(Part):
    route: str = Field(pattern=r"^/")
    token_file: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    agent: Agent

    def settings(self) -> PublicRoute:
        return PublicRoute(self.route, self.token_file, self.agent.settings())


class _Serve(Part):
    replicas: int = Field(default=1, ge=1)
    autoscaling: _Autoscaling | None = None
    max_ongoing_requests: int = Field(default=100, ge=1)
    resources: _Resources = _Resources()
    hybrid: bool = False
    public: _Public | None = None

    def settings(self) -> ServeSettings:
        scale, public = self.autoscaling, self.public
        return ServeSettings(
            replicas=self.replicas,
            autoscaling=scale.scale() if scale is not None else None,
            max_ongoing_requests=self.max_ongoing_requests,
            resources=self.resources.resources(),
            is_hybrid=self.hybrid,
            public=public.settings() if public is not None else None,
        )


class _Execution(Message):
    worker: _Resources = _Resources()
    serve: _Serve | None = None
    warm_slots: int = Field(default=0, ge=0, le=64)


def parse_execution(data: str) -> ExecutionSettings:
    """Parse the settings.

    Raises:
        WireError: The message violates the contract; the text names the field.
    """
    try:
        found = _Execution.model_validate_json(data)
        serve = found.serve.settings() if found.serve is not None else None
        return ExecutionSettings(found.worker.resources(), serve, found.warm_slots)
    except ValidationError as error:
        raise WireError(explain(error)) from None
    except InvalidRequest as error:
        raise WireError(str(error)) from None
