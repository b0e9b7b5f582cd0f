"""DSPy's language model on a fake model client, and requests to it."""

import asyncio
from typing import Any

from dspy import lm15

from cognitive_runtime.adapters.dspy.calls.engine import AttemptLM
from cognitive_runtime.adapters.dspy.calls.model import AttemptModel
from cognitive_runtime.domain import LLMSettings
from support.fakes.model_client import ENDPOINT, FakeModel


def settings(**fields: Any) -> LLMSettings:
    """Return settings of the scripted model, some of them replaced."""
    return LLMSettings("openaiCompatible", fields.pop("model", "scripted"), ENDPOINT, **fields)


def language_model(client: FakeModel, budget: int | None = None, **fields: Any) -> AttemptLM:
    """Return the language model of an attempt, which has a budget of tokens or none."""
    return AttemptLM(AttemptModel(client, settings(**fields), "uid.1", budget), asyncio.get_running_loop())


def request(*messages: lm15.Message, config: lm15.Config | None = None, **fields: Any) -> lm15.Request:
    """Return a request of DSPy, by default with one message of the user."""
    told = messages or (lm15.Message.user("Hello"),)
    return lm15.Request(model="scripted", messages=told, config=config or lm15.Config(), **fields)
