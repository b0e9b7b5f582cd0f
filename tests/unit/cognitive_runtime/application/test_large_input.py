"""An input beside its request is fetched and checked before anything thinks about it."""

import hashlib
import json
from dataclasses import dataclass

import pytest

from cognitive_runtime.application import LargeInputReasoner
from cognitive_runtime.domain import ExecutionRequest, InputRef, InputUnavailable, Reasoning
from support.builders.runtime_requests import execution_request
from support.fakes.scripted_reasoner import ScriptedReasoner

INPUT = {"error_message": "x" * 300_000}
CONTENT = json.dumps(INPUT).encode()


@dataclass
class Store:
    """Holds one object."""

    content: bytes

    async def fetch(self, ref: InputRef) -> bytes:
        return self.content


def ref_of(content: bytes) -> InputRef:
    return InputRef("results-a", "t.1.input", len(content), hashlib.sha256(content).hexdigest())


async def test_the_reasoner_sees_the_whole_input() -> None:
    seen: list[object] = []
    inner = ScriptedReasoner()
    answered = inner.script

    async def look(request: ExecutionRequest) -> Reasoning:
        seen.append((request.input, request.input_ref))
        return await answered(request)

    inner.script = look
    await LargeInputReasoner(inner, Store(CONTENT)).reason(execution_request(input={}, input_ref=ref_of(CONTENT)))
    assert seen == [(INPUT, None)]


async def test_a_request_with_its_input_is_passed_on_as_it_is() -> None:
    inner = ScriptedReasoner()
    await LargeInputReasoner(inner, Store(b"never read")).reason(execution_request())
    assert sum(inner.executions.values()) == 1


@pytest.mark.parametrize(
    ("stored", "named"),
    [(CONTENT + b" ", CONTENT), (CONTENT.replace(b"x", b"y"), CONTENT), (b"", CONTENT), (b"[]", b"[]"), (b"{", b"{")],
)
async def test_another_object_than_the_request_names_is_refused(stored: bytes, named: bytes) -> None:
    inner = ScriptedReasoner()
    with pytest.raises(InputUnavailable):
        await LargeInputReasoner(inner, Store(stored)).reason(execution_request(input={}, input_ref=ref_of(named)))
    assert not inner.executions
