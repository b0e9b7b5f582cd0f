"""Cognitive core behind the HTTP API, in a server of its own and in a replica of Ray Serve."""

import os
from dataclasses import dataclass
from typing import Any

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.http.app import HttpApi
from cognitive_runtime.adapters.model.probe import ModelProbe
from cognitive_runtime.application.model_health import HealthyAnswers, ModelHealth, ModelName
from cognitive_runtime.bootstrap.library import CognitiveCore, configuration, initialize_cognitive_core
from cognitive_runtime.bootstrap.status import dspy_status
from cognitive_runtime.domain import Incidents
from cognitive_runtime.domain.finding import Finding
from cognitive_runtime.llm_config import LLMConfig


@dataclass(frozen=True)
class CoreService:
    """A core with the health of its model. Belongs to one event loop."""

    core: CognitiveCore
    health: ModelHealth
    answers: HealthyAnswers

    @classmethod
    def start(cls, config: LLMConfig | None = None) -> "CoreService":
        """Create the core that ``get_cognitive_core`` returns from now on. The model is not called.

        Raises:
            LLMConfigError: A setting is missing or invalid.
        """
        found = config or configuration(os.environ)
        core = initialize_cognitive_core(found)
        llm = found.settings().llm
        probe = ModelProbe(llm.endpoints[0], found.api_key)

        async def ask() -> Finding:
            return await probe.infer()

        health = ModelHealth(ModelName(llm.model, llm.provider), ask, SystemClock())
        return cls(core, health, HealthyAnswers(core, health))

    def http_api(self, *, incidents: Incidents | None, token: str | None, application: str) -> HttpApi:
        """Return the parts of the HTTP API. ``application`` is the Serve application that the status reports."""

        async def status() -> dict[str, Any]:
            return await dspy_status(application)

        return HttpApi(self.answers, self.health, status, incidents, token, self.core.aclose)


def local_api(config: LLMConfig | None, token: str | None, application: str) -> HttpApi:
    """Start a core in this process; return its HTTP API, which keeps incidents in memory.

    Raises:
        LLMConfigError: A setting is missing or invalid.
    """
    return CoreService.start(config).http_api(incidents=Incidents(), token=token, application=application)
