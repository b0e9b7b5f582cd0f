"""Cognitive core for programs that use the runtime as a library."""

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Final

from cognitive_runtime.adapters import dspy
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import Programs
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.application import LocalLimits, SharedBudget
from cognitive_runtime.domain import (
    AgentSettings,
    CognitiveContext,
    ExecutionRequest,
    ILimits,
    IModelSource,
    InternalError,
    Reasoning,
)
from cognitive_runtime.llm_config import LLMConfig, configured_llm, read_llm_config, unread_variables

_LOGGER: Final = logging.getLogger(__name__)


class CognitiveCore(dspy.CognitiveCore):
    """Cognitive core of a program. A subclass may add handlers for task types of its own to ``task_handlers``."""

    def __init__(
        self,
        models: IModelSource | None = None,
        agent: AgentSettings | None = None,
        limits: ILimits | None = None,
        *,
        config: LLMConfig | None = None,
        programs: Programs | None = None,
    ) -> None:
        """Take the model from ``config``, or else from ``configure_llm_openai``, or else from the environment.

        Args:
            models: Source of model clients in place of a configuration; with it, ``agent`` has the settings.
            agent: Settings of the calls; None: those of the configuration.
            limits: Rate limits and cache; None: those of the configuration, in this process.
            config: Configuration of the model.
            programs: Saved DSPy program for each of some task types; see ``load_program``.

        Raises:
            LLMConfigError: A setting is missing or invalid.
            InvalidProgram: A file holds no program for its task type.
        """
        if models is None:
            found = config or configuration(os.environ)
            key = found.api_key or ""
            models, agent = ModelPool(lambda agent_uid, name: key), agent or found.settings()
            limits = limits or LocalLimits(SystemClock())
        super().__init__(models, agent, limits, programs=programs)

    async def reason(
        self, request: ExecutionRequest | CognitiveContext, budget: SharedBudget | None = None
    ) -> Reasoning:
        """Reason about one request or context.

        ``budget`` is the token budget that the members of a deliberation share; None: the request's own.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
            asyncio.CancelledError: The caller was cancelled.
        """
        if isinstance(request, CognitiveContext):
            request = self.request(request)
        return await super().reason(request, budget)

    def _cancellation(self, error: InternalError) -> BaseException:
        return asyncio.CancelledError()


def initialize_cognitive_core(config: LLMConfig | None = None, *, programs: Programs | None = None) -> CognitiveCore:
    """Create the core that ``get_cognitive_core`` returns from now on.

    Without ``config``, the configuration of ``configure_llm_openai`` is used, or else the environment. Variables of the
    environment without effect are logged in a warning.

    Raises:
        LLMConfigError: A setting is missing or invalid.
        InvalidProgram: A file holds no program for its task type.
    """
    core = CognitiveCore(config=config, programs=programs)
    dspy.set_cognitive_core(core)
    return core


def configuration(environ: Mapping[str, str]) -> LLMConfig:
    """Return the configuration from code, or else from the environment.

    Variables without effect are logged in a warning.

    Raises:
        LLMConfigError: A setting is missing or invalid.
    """
    configured = configured_llm()
    if configured is not None:
        return configured
    unread = unread_variables(environ)
    if unread:
        line = {"event": "SettingsWithoutEffect", "variables": unread}
        _LOGGER.warning("these variables have no effect: %s", ", ".join(unread), extra=line)
    return read_llm_config(environ)
