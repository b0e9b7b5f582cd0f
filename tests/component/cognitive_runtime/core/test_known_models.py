"""All six task types on servers that behave as well-known models, by the library with default settings."""

from typing import Any

import pytest

from cognitive_runtime.cognitive_core import (
    CognitiveContext,
    LLMConfig,
    initialize_cognitive_core,
)
from support.builders.runtime_requests import INPUTS
from support.model_servers import (
    ALL,
    GPT5,
    DeepSeekReasoner,
    GemmaTemplate,
    LiteLLMGateway,
    LlamaCppPython,
    ModelDouble,
    OldLlamaCpp,
    OpenRouter,
    OSeries,
)
from support.model_servers.answers import OUTPUTS

pytestmark = pytest.mark.component
REFUSED: dict[type[ModelDouble], dict[str, int]] = {
    GPT5: {"temperature": 1, "top_p": 1, "max_tokens": 1},
    OSeries: {"temperature": 1, "top_p": 1, "max_tokens": 1},
    DeepSeekReasoner: {"json_schema": 1},
    LlamaCppPython: {"json_schema": 2},
    OldLlamaCpp: {"json_schema": 1},
    LiteLLMGateway: {"temperature": 1, "max_tokens": 1},
    GemmaTemplate: {"system_role": 1},
    OpenRouter: {"json_schema": 1},
}
"""Refused calls of all six tasks together. An HTTP 500 without a named cause is repeated: it may be a passing one."""


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in items for text in texts(each)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_six_of_six_task_types_succeed(kind: type[ModelDouble], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)
    with kind().serve() as server:
        assert server.source.startswith("https://")
        core = initialize_cognitive_core(LLMConfig(server.provider, server.model, api_key="k", api_base=server.url))
        for number, task_type in enumerate(INPUTS):
            marker = f"marker-{number}"
            result = core(CognitiveContext("a", task_type, INPUTS[task_type] | {"note": marker}))
            assert result["success"], (task_type, result)
            outputs = [result[name] for name in OUTPUTS[number]]
            assert set(texts(outputs)) == {f"the answer about {marker}"}
        assert server.repeated == []
        assert dict(server.refused) == REFUSED.get(kind, {})
        assert len(server.bodies) == 6 + sum(server.refused.values())


def test_a_server_notices_a_parameter_that_is_sent_again_after_it_was_learnt() -> None:
    server = GPT5()
    body: dict[str, Any] = {
        "model": "gpt-5",
        "messages": [{"role": "user", "content": "marker-1: thought, proposed_solution, confidence_score"}],
    }
    assert [server.respond(body | {"top_p": 1})[0] for _ in range(2)] == [400, 400]
    assert server.repeated == []
    assert server.respond(body)[0] == 200
    assert server.respond(body | {"top_p": 1})[0] == 400
    assert server.repeated == ["top_p"]
