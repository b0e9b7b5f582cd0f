"""A cognitive core on a fake model."""

from typing import Final

from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.domain import AgentSettings, LLMSettings
from support.fakes.model_client import ENDPOINT, FakeModel

AGENT: Final = AgentSettings("DEV", LLMSettings("openaiCompatible", "scripted", ENDPOINT))


def core_of(model: FakeModel) -> CognitiveCore:
    """Return a core of ``AGENT`` that answers with a model."""
    return CognitiveCore(model, AGENT)
