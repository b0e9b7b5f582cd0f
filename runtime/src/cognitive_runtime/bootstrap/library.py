"""Cognitive core for programs that use the runtime as a library."""

import logging
import os
from typing import Final

from cognitive_runtime.adapters import dspy
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.vllm import ModelPool
from cognitive_runtime.application import LocalLimits
from cognitive_runtime.llm_config import LLMConfig, configured_llm, read_llm_config, unread_variables

_LOGGER: Final = logging.getLogger(__name__)


def initialize_cognitive_core(config: LLMConfig | None = None) -> dspy.CognitiveCore:
    """Create the core that ``get_cognitive_core`` returns from now on.

    Without ``config``, the configuration of ``configure_llm_openai`` is used, or else the environment. Variables of the
    environment without effect are logged in a warning.

    Raises:
        LLMConfigError: A setting is missing or invalid.
    """
    found = config or configured_llm() or _from_environment()
    key = found.api_key or ""
    models, limits = ModelPool(lambda agent_uid, name: key), LocalLimits(SystemClock())
    return dspy.initialize_cognitive_core(models, found.settings(), limits)


def _from_environment() -> LLMConfig:
    unread = unread_variables(os.environ)
    if unread:
        line = {"event": "SettingsWithoutEffect", "variables": unread}
        _LOGGER.warning("these variables have no effect: %s", ", ".join(unread), extra=line)
    return read_llm_config(os.environ)
