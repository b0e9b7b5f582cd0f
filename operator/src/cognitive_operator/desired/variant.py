"""The request of an attempt with the settings of the task's variant."""

from cognitive_operator.api.llm import LLM, Variant
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.variants import varied_agent
from cognitive_operator.api.wire import Request
from cognitive_operator.desired.request import API_KEY_FILE, llm_settings, variant_key_file


def with_variant(request: Request, agent: Agent, name: str | None) -> Request:
    """Return the request with a variant's settings and its name; unchanged if the agent has no such variant."""
    llm = agent.spec.llm
    variant = llm.variant(name)
    if variant is None:
        return request
    varied = varied_agent(agent, name).spec
    changed = llm_settings(varied.llm).model_copy(
        update={"api_key_file": _key_file(llm, variant), "learnt": request.agent.llm.learnt}
    )
    settings = request.agent.model_copy(update={"llm": changed, "system_prompt": varied.system_prompt})
    return request.model_copy(update={"agent": settings, "variant": variant.name})


def _key_file(llm: LLM, variant: Variant) -> str | None:
    if variant.api_key_secret_ref is not None:
        return variant_key_file(variant.name)
    return API_KEY_FILE if llm.api_key_secret_ref and not variant.has_own_server else None
