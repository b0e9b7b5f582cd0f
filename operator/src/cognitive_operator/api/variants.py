"""Settings of an agent with one of its variants applied."""

from typing import Any, Final

from cognitive_operator.api.llm import LLM, Variant
from cognitive_operator.api.resources import Agent

_INHERITED: Final = (
    "model",
    "api_version",
    "api_key_secret_ref",
    "max_tokens",
    "temperature",
    "top_p",
    "structured_output",
    "reasoning",
    "extra_body",
)
"""Fields of ``spec.llm`` that a variant replaces if it sets them."""


def varied_llm(llm: LLM, variant: Variant) -> LLM:
    """Return ``spec.llm`` with a variant's settings in place of its own.

    A variant with a server of its own inherits neither API version nor key: a key is sent to its own endpoint alone.
    """
    changes: dict[str, Any] = {name: getattr(variant, name) for name in _INHERITED}
    changes = {name: value for name, value in changes.items() if value is not None}
    if variant.has_own_server:
        changes["provider"] = variant.provider or llm.provider
        changes |= {name: getattr(variant, name) for name in ("endpoint", "api_version", "api_key_secret_ref")}
        changes["vllm"] = None
    return llm.model_copy(update=changes | {"variants": ()})


def varied_agent(agent: Agent, name: str | None) -> Agent:
    """Return the agent with the settings of one of its variants; unchanged if it has no variant of that name."""
    variant = agent.spec.llm.variant(name)
    if variant is None:
        return agent
    spec = agent.spec.model_copy(update={"llm": varied_llm(agent.spec.llm, variant)})
    if variant.system_prompt is not None:
        spec = spec.model_copy(update={"system_prompt": variant.system_prompt})
    return agent.model_copy(update={"spec": spec})


def used_models(llm: LLM) -> tuple[LLM, ...]:
    """Return the settings that attempts can have: those of each variant, or ``llm`` itself without variants."""
    return tuple(varied_llm(llm, variant) for variant in llm.variants) or (llm,)
