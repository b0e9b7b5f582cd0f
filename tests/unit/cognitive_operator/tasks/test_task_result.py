"""A task's result is read from where its status says, and is checked."""

import hashlib
import json
from typing import Any

import pytest

from cognitive_operator.__main__ import main
from cognitive_operator.errors import ResultError
from cognitive_operator.reconcile.task.result import result_of
from support.builders import operator_objects as o
from support.fakes.broker import FakeObjects

RESULT = {"thought": "x" * 20_000}
CONTENT = json.dumps(RESULT).encode()


def succeeded(**status: Any) -> dict[str, Any]:
    return o.task_body({"phase": "Succeeded"} | status)


def by_reference(**changes: Any) -> dict[str, Any]:
    ref = {"bucket": "results-a", "name": "t.1", "sizeBytes": len(CONTENT)}
    return succeeded(resultRef=ref | {"sha256": hashlib.sha256(CONTENT).hexdigest()} | changes)


async def test_a_small_result_needs_no_broker() -> None:
    assert await result_of(succeeded(result={"thought": "t"}), FakeObjects()) == {"thought": "t"}


async def test_a_large_result_is_read_from_its_object() -> None:
    assert await result_of(by_reference(), FakeObjects(content={("results-a", "t.1"): CONTENT})) == RESULT


@pytest.mark.parametrize(
    ("body", "content", "said"),
    [
        (o.task_body({"phase": "Running", "reason": "Running", "message": "m"}), CONTENT, "it is Running"),
        (o.task_body({"phase": "Failed", "reason": "ModelTimeout", "message": "no answer"}), CONTENT, "no answer"),
        (o.task_body({}), CONTENT, "it is new"),
        (succeeded(), CONTENT, "neither result nor resultRef"),
        (by_reference(), None, "its result is no longer on the broker"),
        (by_reference(), CONTENT + b" ", f"expected {len(CONTENT)}"),
        (by_reference(), CONTENT.replace(b"x", b"y"), "SHA-256"),
        (by_reference(sizeBytes=2, sha256=hashlib.sha256(b"[]").hexdigest()), b"[]", "its result is not a JSON object"),
        (by_reference(sizeBytes=1, sha256=hashlib.sha256(b"[").hexdigest()), b"[", "its result is not JSON"),
    ],
)
async def test_what_is_no_result_is_refused_by_name(body: dict[str, Any], content: bytes | None, said: str) -> None:
    objects = FakeObjects(content={("results-a", "t.1"): content} if content is not None else {})
    with pytest.raises(ResultError, match=said) as caught:
        await result_of(body, objects)
    assert "team/why" in str(caught.value)


@pytest.mark.parametrize("name", ["why", "/why", "team/", "team/why/1"])
def test_the_command_line_wants_namespace_and_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["result", name])
    assert caught.value.code == 2
    assert "NAMESPACE/TASK" in capsys.readouterr().err
