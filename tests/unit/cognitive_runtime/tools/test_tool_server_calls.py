"""Answers of the tool server to calls that end in an unusual way."""

import io
import json
import logging
from collections.abc import Mapping
from typing import Any, cast

import mcp_types as types
import pytest

from cognitive_runtime.adapters.json_logs import JsonFormatter
from cognitive_runtime.adapters.tools.server import app

CANARY = "canary-3c9e"


class OneTool:
    """Session whose tool answers with a text, or raises an error."""

    def __init__(self, outcome: str | Exception) -> None:
        self._outcome = outcome
        self.notice = ""

    async def call(self, _: str, __: Mapping[str, Any]) -> str:
        """Return or raise the outcome."""
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


async def called(outcome: str | Exception, monkeypatch: pytest.MonkeyPatch) -> types.CallToolResult:
    async def session(_: object) -> OneTool:
        return OneTool(outcome)

    monkeypatch.setattr(app, "_session", session)
    context: Any = None
    return await app._call_tool(context, types.CallToolRequestParams(name="any", arguments={}))


async def test_the_first_answer_of_a_session_in_a_new_directory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    session, context = OneTool("done"), cast(Any, None)
    session.notice = "A new directory."

    async def same(_: object) -> OneTool:
        return session

    monkeypatch.setattr(app, "_session", same)
    params = types.CallToolRequestParams(name="any", arguments={})
    found = [(await app._call_tool(context, params)).content for _ in range(2)]
    assert [[each.model_dump()["text"] for each in parts] for parts in found] == [
        ["A new directory.", "done"],
        ["done"],
    ]


async def test_a_text_with_a_surrogate_can_be_written_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    result = await called("caf\udce9", monkeypatch)
    assert json.loads(result.model_dump_json())["content"][0]["text"] == "caf?"


async def test_an_unexpected_error_is_one_sentence_and_is_logged_without_its_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonFormatter())
    app._LOGGER.addHandler(handler)
    try:
        result = await called(KeyError(CANARY), monkeypatch)
    finally:
        app._LOGGER.removeHandler(handler)
    assert result.is_error
    assert [each.text for each in result.content if isinstance(each, types.TextContent)] == [
        "The tool failed inside the server, whose log has the reason."
    ]
    line = json.loads(lines.getvalue())
    assert (line["event"], line["exception"]) == ("CallFailed", "KeyError")
    assert "test_tool_server_calls.py" in line["traceback"]
    assert CANARY not in lines.getvalue()
