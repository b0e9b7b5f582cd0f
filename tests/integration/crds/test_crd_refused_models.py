"""Models, variants and demonstrations that the API server refuses by field, with the allowed values."""

from typing import Any

import pytest

from support.builders.crd_objects import Refused, agent, spec_id
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration
EXAMPLE: dict[str, Any] = {
    "type": "FailureAnalysis",
    "input": {"error_message": "x"},
    "output": {"thought": "y", "proposed_solution": "z"},
}


def demonstration(**changes: Any) -> dict[str, Any]:
    """Return the spec of an agent with one demonstration, some of whose fields are replaced or, by None, removed."""
    example = {name: value for name, value in (EXAMPLE | changes).items() if value is not None}
    return {"demonstrations": [example]}


SET_BY_THE_PRODUCT = (
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "response_format",
    "reasoning_effort",
    "tools",
    "tool_choice",
    "n",
    "api_key",
    "authorization",
    "extra_headers",
)
"""Fields of a call's body that an agent's extraBody must not hold."""
MODELS: list[Refused] = [
    ({"llm": {"structuredOutput": "Grammar"}}, ("spec.llm.structuredOutput", '"Auto", "Schema", "Bounded"')),
    ({"llm": {"reasoning": {"effort": ""}}}, ("spec.llm.reasoning.effort", "at least 1 char")),
    ({"llm": {"reasoning": {"effort": "Very High"}}}, ("spec.llm.reasoning.effort", "should match")),
    ({"llm": {"reasoning": {"effort": "x" * 33}}}, ("spec.llm.reasoning.effort", "32")),
    ({"llm": {"reasoning": {"maxTokens": 0}}}, ("spec.llm.reasoning.maxTokens", "1")),
    ({"llm": {"reasoning": {"maxTokens": 131073}}}, ("spec.llm.reasoning.maxTokens", "131072")),
    ({"llm": {"reasoning": {"budget": 1}}}, ("spec.llm.reasoning.budget", "unknown field")),
    ({"llm": {"extraBody": {f"k{n}": n for n in range(33)}}}, ("spec.llm.extraBody", "32")),
    ({"llm": {"extraBody": "top_k: 1"}}, ("spec.llm.extraBody", "object")),
    *[
        ({"llm": {"extraBody": {name: None}}}, ("spec.llm.extraBody must not hold", name))
        for name in SET_BY_THE_PRODUCT
    ],
    ({"demonstrations": [EXAMPLE] * 17}, ("spec.demonstrations", "at most 16")),
    (demonstration(type=None), ("spec.demonstrations[0].type", "Required")),
    (demonstration(type="failure_analysis"), ("spec.demonstrations[0].type", '"FailureAnalysis", "TaskPlanning"')),
    (demonstration(input=None), ("spec.demonstrations[0].input", "Required")),
    (demonstration(input={}), ("spec.demonstrations[0].input", "at least 1")),
    (demonstration(output={}), ("spec.demonstrations[0].output", "at least 1")),
    (demonstration(output={f"k{n}": n for n in range(33)}), ("spec.demonstrations[0].output", "32")),
    (
        demonstration(output={"thought": "y", "solution": "z"}),
        (
            "spec.demonstrations[0]",
            "of a FailureAnalysis needs thought and proposed_solution, as a task's status.result",
        ),
    ),
    (
        demonstration(input={"message": "x"}),
        ("spec.demonstrations[0]", "input of a demonstration of a FailureAnalysis needs error_message"),
    ),
    (demonstration(type="MemorySynthesis"), ("needs memory_fragments and synthesis_goal", "synthesized_insight")),
    (demonstration(title="x"), ("spec.demonstrations[0].title", "unknown field")),
]


def variants(*listed: dict[str, Any]) -> dict[str, Any]:
    return {"llm": {"variants": list(listed)}}


VARIANTS: list[Refused] = [
    (variants(), ("spec.llm.variants", "at least 1 items")),
    (variants(*[{"name": f"v{n}"} for n in range(9)]), ("spec.llm.variants", "at most 8 items")),
    (variants({"name": "a"}, {"name": "a", "weight": 2}), ("spec.llm.variants[1]", "Duplicate value")),
    (variants({"weight": 1}), ("spec.llm.variants[0].name", "Required")),
    (variants({"name": "A"}), ("spec.llm.variants[0].name", "should match")),
    (variants({"name": "x" * 64}), ("spec.llm.variants[0].name", "63")),
    (variants({"name": "a", "weight": -1}), ("spec.llm.variants[0].weight", "0")),
    (variants({"name": "a", "weight": 1001}), ("spec.llm.variants[0].weight", "1000")),
    (
        variants({"name": "a", "weight": 0}, {"name": "b", "weight": 0}),
        ("spec.llm.variants must have at least one weight above 0",),
    ),
    (variants({"name": "a", "provider": "vllm", "model": "m"}), ("spec.llm.variants[0].endpoint", "Required")),
    (variants({"name": "a", "provider": "openai", "model": "m"}), ("spec.llm.variants[0].apiKeySecretRef", "Required")),
    (variants({"name": "a", "endpoint": "http://m"}), ("spec.llm.variants[0].model", "Required")),
    (variants({"name": "a", "endpoint": "m:80", "model": "m"}), ("spec.llm.variants[0].endpoint", "must be a URL")),
    (
        variants({"name": "a", "endpoint": "http://u:p@m", "model": "m"}),
        ("spec.llm.variants[0].endpoint", "must not hold a user or a password"),
    ),
    (variants({"name": "a", "apiVersion": "2024-10-21"}), ("spec.llm.variants", "azure alone")),
    (
        variants({"name": "a", "systemPrompt": "故" * 5462}),
        ("spec.llm.variants[0].systemPrompt", "16384 bytes"),
    ),
    (variants({"name": "a", "maxTokens": 63}), ("spec.llm.variants[0].maxTokens", "64")),
    (variants({"name": "a", "temperature": 2.1}), ("spec.llm.variants[0].temperature", "2")),
    (variants({"name": "a", "topP": 0}), ("spec.llm.variants[0].topP", "greater than 0")),
    (variants({"name": "a", "reasoning": {"effort": "Very High"}}), ("variants[0].reasoning.effort", "should match")),
    (variants({"name": "a", "extraBody": {"model": "m"}}), ("spec.llm.variants[0]", "extraBody must not hold")),
    (variants({"name": "a", "timeoutSeconds": 5}), ("spec.llm.variants[0].timeoutSeconds", "unknown field")),
]
LLMS: list[Refused] = [
    ({"llm": {"provider": "aws"}}, ("spec.llm.provider", '"vllm", "openai", "azure", "anthropic", "google"')),
    ({"llm": {"provider": "vllm", "endpoint": None}}, ("spec.llm.endpoint", "Required", "vllm, azure and")),
    ({"llm": {"provider": "azure", "endpoint": None}}, ("spec.llm.endpoint", "Required", "vllm, azure and")),
    ({"llm": {"provider": "google", "endpoint": None}}, ("spec.llm.apiKeySecretRef", "Required", "wants a key")),
    ({"llm": {"provider": "openai", "apiVersion": "2024-10-21"}}, ("spec.llm.apiVersion", "azure alone")),
    ({"llm": {"provider": "azure", "apiVersion": "v1"}}, ("spec.llm.apiVersion", "should match")),
    (
        {"llm": {"fallbacks": [{"model": "m", "provider": "anthropic"}]}},
        ("spec.llm.fallbacks[0].apiKeySecretRef", "Required", "wants a key"),
    ),
    (
        {"llm": {"fallbacks": [{"model": "m", "endpoint": "http://m", "apiVersion": "2024-10-21"}]}},
        ("spec.llm.fallbacks[0].apiVersion", "azure alone"),
    ),
    ({"llm": {"model": ""}}, ("spec.llm.model", "at least 1 char")),
    ({"llm": {"model": "m" * 254}}, ("spec.llm.model", "253")),
    ({"llm": {"model": None}}, ("spec.llm.model", "Required")),
    ({"llm": {"endpoint": None}}, ("spec.llm.endpoint", "Required")),
    ({"llm": {"apiKeySecretRef": {"key": "k"}}}, ("spec.llm.apiKeySecretRef.name", "Required")),
    ({"llm": {"apiKeySecretRef": {"name": "s", "key": "a/b"}}}, ("spec.llm.apiKeySecretRef.key", "should match")),
    ({"llm": {"maxTokens": 63}}, ("spec.llm.maxTokens", "64")),
    ({"llm": {"maxTokens": 131073}}, ("spec.llm.maxTokens", "131072")),
    ({"llm": {"maxTokens": "many"}}, ("spec.llm.maxTokens", "integer")),
    ({"llm": {"temperature": -0.1}}, ("spec.llm.temperature", "0")),
    ({"llm": {"temperature": 2.1}}, ("spec.llm.temperature", "2")),
    ({"llm": {"topP": 0}}, ("spec.llm.topP", "greater than 0")),
    ({"llm": {"topP": 1.01}}, ("spec.llm.topP", "1")),
    ({"llm": {"timeoutSeconds": 0}}, ("spec.llm.timeoutSeconds", "1")),
    ({"llm": {"timeoutSeconds": 3601}}, ("spec.llm.timeoutSeconds", "3600")),
    ({"llm": {"maxRetries": -1}}, ("spec.llm.maxRetries", "0")),
    ({"llm": {"maxRetries": 11}}, ("spec.llm.maxRetries", "10")),
    ({"llm": {"frequencyPenalty": 2.1}}, ("spec.llm.frequencyPenalty", "2")),
    ({"llm": {"presencePenalty": -2.1}}, ("spec.llm.presencePenalty", "-2")),
    ({"llm": {"retryDelaySeconds": 60.5}}, ("spec.llm.retryDelaySeconds", "60")),
    ({"llm": {"stream": "yes"}}, ("spec.llm.stream", "boolean")),
    ({"llm": {"logging": {"prompts": True}}}, ("spec.llm.logging.prompts", "unknown field")),
    ({"llm": {"fallbacks": [{"model": "m", "endpoint": "http://m"}] * 6}}, ("spec.llm.fallbacks", "at most 5")),
    ({"llm": {"fallbacks": [{"model": "m"}]}}, ("spec.llm.fallbacks[0].endpoint", "Required")),
    ({"llm": {"fallbacks": [{"model": "m", "endpoint": "m:80"}]}}, ("spec.llm.fallbacks[0].endpoint", "must be a URL")),
    (
        {"llm": {"fallbacks": [{"model": "m", "endpoint": "http://user:pw@m"}]}},
        ("spec.llm.fallbacks[0].endpoint", "must not hold a user or a password"),
    ),
    ({"llm": {"cache": {"ttlSeconds": 0}}}, ("spec.llm.cache.ttlSeconds", "1")),
    ({"llm": {"cache": {"ttlSeconds": 604801}}}, ("spec.llm.cache.ttlSeconds", "604800")),
    ({"llm": {"cache": {"backend": "Redis"}}}, ("spec.llm.redisSecretRef", "goes with the backend Redis")),
    ({"llm": {"rateLimit": {"backend": "Redis"}}}, ("spec.llm.redisSecretRef", "goes with the backend Redis")),
    ({"llm": {"redisSecretRef": {"name": "r"}}}, ("spec.llm.redisSecretRef", "goes with the backend Redis")),
    ({"llm": {"rateLimit": {"backend": "NATS"}}}, ("spec.llm.rateLimit.backend", '"Ray", "Redis"')),
    ({"llm": {"rateLimit": {"requestsPerMinute": 0}}}, ("spec.llm.rateLimit.requestsPerMinute", "1")),
    ({"llm": {"rateLimit": {"requestsPerMinute": 1000001}}}, ("spec.llm.rateLimit.requestsPerMinute", "1000000")),
    ({"llm": {"rateLimit": {"tokensPerMinute": 0}}}, ("spec.llm.rateLimit.tokensPerMinute", "1")),
    ({"llm": {"rateLimit": {"tokensPerMinute": 1000000001}}}, ("spec.llm.rateLimit.tokensPerMinute", "1000000000")),
    ({"llm": {"server": {"image": "x"}}}, ("spec.llm.server", "unknown field")),
]


@pytest.mark.parametrize(("spec", "said"), [*LLMS, *MODELS, *VARIANTS], ids=spec_id)
def test_an_agent_out_of_bounds(default: Namespace, spec: dict[str, Any], said: tuple[str, ...]) -> None:
    default.check_refusal(agent(**spec), *said)
