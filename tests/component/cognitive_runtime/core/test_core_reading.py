"""Answers as models write them, read by the core: what costs no second call, and what does."""

import json
import logging
from typing import Any

import pytest

from support.builders.runtime_requests import Run, completed, failed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
SOLUTION = 'kubectl patch deploy web -p \'{"spec":{"replicas":3}}\''
GOOD: dict[str, Any] = {"thought": "too few replicas", "proposed_solution": SOLUTION, "confidence_score": 0.6}
TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    "content",
    [
        TEXT[:-1] + ",\n}",
        TEXT[:-1],
        str(GOOD),
        TEXT.replace(', "confidence', ', // sure?\n"confidence'),
        json.dumps({"answer": TEXT}),
        f'In the form {{"thought": "...", "proposed_solution": "...", "confidence_score": 0}}:\n{TEXT}',
        f"{json.dumps(GOOD | {'thought': 'draft'})}\nBetter:\n{TEXT}",
    ],
)
async def test_an_answer_that_can_be_read_costs_one_call(
    run: Run, model: ScriptedModel, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="cognitive_runtime")
    model.script(content=content)
    outcome = completed(await run())
    assert outcome.result == GOOD
    assert not outcome.repaired
    assert len(model.requests) == 1
    assert "replicas" not in caplog.text


@pytest.mark.parametrize(
    ("content", "finish_reason"),
    [
        (f"A first form is {TEXT} but wrong. The answer:\n{TEXT[:40]}", "length"),
        (f"A first form is {TEXT} but wrong. The answer:\n{TEXT[:40]}", "stop"),
        (TEXT[:-1] + ",", "length"),
        ('{"thought": "...", "proposed_solution": "...", "confidence_score": 0.0}', "stop"),
        ('{"type": "object", "properties": {"thought": {"type": "string"}}, "required": ["thought"]}', "stop"),
        (json.dumps(GOOD | {"proposed_solution": {"command": "secret"}}), "stop"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_asked_for_again(
    run: Run, model: ScriptedModel, content: str, finish_reason: str
) -> None:
    model.script(content=content, finish_reason=finish_reason, times=1)
    model.script(content=TEXT)
    outcome = completed(await run())
    assert outcome.result == GOOD
    assert outcome.repaired
    assert len(model.requests) == 2


async def test_integers_of_64_bits_arrive_as_integers(run: Run, model: ScriptedModel) -> None:
    output = {"started_ns": 1764250000000000000, "user": 2**63 - 1}
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    model.script(content=json.dumps(GOOD | {"output": output}))
    assert completed(await run(output_schema=schema)).result["output"] == output


async def test_a_pattern_that_cannot_be_checked_fails_no_task(run: Run, model: ScriptedModel) -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"price": {"type": "string", "pattern": r"^(?!0)\d+$"}},
        "items": [{"$ref": "#/definitions/price"}],
        "additionalItems": False,
    }
    model.script(content=json.dumps(GOOD | {"output": ["00"]}), times=1)
    assert completed(await run(output_schema=schema)).result["output"] == ["00"]
    assert r"^(?!0)\\d+$" in model.requests[0].body["messages"][0]["content"]
    model.script(content=json.dumps(GOOD | {"output": ["1", "2"]}))
    outcome = failed(await run(output_schema=schema))
    assert "/output: expected additionalItems false" in outcome.error
