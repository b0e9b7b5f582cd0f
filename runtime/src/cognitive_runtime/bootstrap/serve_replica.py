"""Replica of a cognitive core in Ray Serve: methods for handles, and the HTTP API below the application's route."""

import os
from typing import Any

from cognitive_runtime.adapters.http.app import create_app
from cognitive_runtime.bootstrap.core_service import CoreService
from cognitive_runtime.bootstrap.http_server import read_token
from cognitive_runtime.domain import CognitiveContext, Reasoning
from cognitive_runtime.llm_config import LLMConfig, read_llm_config


class CoreReplica:
    """Replica. Its constructor is called by Serve, with settings that contain no secret of the environment."""

    def __init__(self, application: str, changes: dict[str, Any], config: LLMConfig | None, token: str | None) -> None:
        """Create the core.

        Args:
            application: Name of the Serve application.
            changes: Fields of the configuration, over those of the node's environment.
            config: Whole configuration from code, in place of the environment.
            token: Bearer token of the HTTP API; None: that of the node's environment, if it has one.

        Raises:
            LLMConfigError: A setting is missing or invalid.
        """
        found = config or read_llm_config(os.environ | changes)
        self._service = CoreService.start(found)
        self._application = application
        self._token = token or read_token(os.environ)

    def __serve_build_asgi_app__(self) -> Any:
        """Return the HTTP API. Replicas have no common registry of incidents: callers send incident_context."""
        return create_app(self._service.http_api(incidents=None, token=self._token, application=self._application))

    async def answer(self, context: CognitiveContext) -> dict[str, Any]:
        """Return a result with ``success``: the outputs, or ``error`` and ``error_type``."""
        return await self._service.answers.answer(context)

    async def reason(self, context: CognitiveContext) -> Reasoning:
        """Return the reasoning.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """
        return await self._service.core.reason(context)

    async def health(self) -> dict[str, Any]:
        """Return the health of the model."""
        return await self._service.health.check()
