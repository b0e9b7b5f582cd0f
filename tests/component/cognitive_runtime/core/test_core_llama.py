"""The cognitive core against llama.cpp with a real, very small language model."""

import json
import os
import urllib.request
from collections.abc import Iterator

import pytest

from cognitive_runtime.adapters.dspy.answers.validation import check_outputs
from cognitive_runtime.adapters.dspy.schemas.signature_outputs import answer_schema, bounds_for
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.domain import AgentResult, CognitiveTaskType, Message, VLLMRequest
from servers.errors import ServerMissingError
from servers.model import MODEL, ModelServer
from support.builders.runtime_requests import Run, execution_request

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]
LLM = {"model": MODEL, "max_tokens": 256, "timeout_seconds": 150}


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """The model of the demo."""
    try:
        server = ModelServer.start(tmp_path_factory.mktemp("model") / "model.log")
    except ServerMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(f"a server is missing: {error}")
        pytest.skip(f"a server is missing: {error}")
    with server:
        yield server


def test_a_base_model_gets_the_messages_as_a_plain_text(small_model: ModelServer) -> None:
    messages = [("system", "Decide."), ("user", "q"), ("assistant", "a"), ("user", "r")]
    body = json.dumps({"messages": [{"role": role, "content": content} for role, content in messages]})
    url = f"{small_model.endpoint.removesuffix('/v1')}/apply-template"
    with urllib.request.urlopen(url, body.encode(), timeout=30) as answer:
        prompt = json.loads(answer.read())["prompt"]
    assert prompt == "Decide.\n\nInput:\nq\n\nAnswer:\na\n\nInput:\nr\n\nAnswer:\n"


@pytest.mark.parametrize("task_type", [CognitiveTaskType.FAILURE_ANALYSIS, CognitiveTaskType.TASK_PLANNING])
async def test_a_real_model_answers_by_the_types_of_the_task(
    run: Run, small_model: ModelServer, task_type: CognitiveTaskType
) -> None:
    outcome = await run(task_type, endpoint=small_model.endpoint, llm=LLM, timeout_seconds=150)
    assert isinstance(outcome, AgentResult), outcome
    signature = SIGNATURES[task_type].signature
    typed = {name: value for name, value in check_outputs(signature, outcome.result).items() if value is not None}
    assert outcome.result == typed
    assert (outcome.confidence is None) != (outcome.confidence_reason is None)
    assert outcome.usage.completion_tokens > 0


async def test_the_grammar_bounds_a_model_that_repeats_itself(small_model: ModelServer, pool: ModelPool) -> None:
    signature = SIGNATURES[CognitiveTaskType.TASK_PLANNING].signature
    request = execution_request(endpoint=small_model.endpoint, llm=LLM)
    answer = await pool.open(request, float("inf")).generate(
        VLLMRequest(
            model=MODEL,
            messages=(Message("user", "Count: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"),),
            temperature=0,
            max_tokens=256,
            json_schema=answer_schema(signature, bounds_for(signature, 256)),
        )
    )
    assert answer.finish_reason == "stop"
    assert answer.usage.completion_tokens <= 256
