"""Model that plays an answer of a case with tools, in steps of ReAct or in native tool calls."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evaluation.cases import Case
from support.model_servers.base import ModelDouble, Refused

VLLM_REFUSAL = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'


class PlayedModel(ModelDouble):
    """Server whose model makes the calls of an answer, one for each request, and then gives its text.

    It answers by the form of the request: native calls if it has ``tools``, else the JSON of its schema.
    """

    source = "the cases of the evaluation"
    model = "played"

    def __init__(self, cases: Sequence[Case], play: Callable[[Case], Mapping[str, Any]]) -> None:
        super().__init__()
        self._cases = {case.input["task_description"]: case for case in cases}
        self._play = play
        self.refuses_tools = False

    def judge(self, body: dict[str, Any]) -> None:
        """Refuse ``tools`` as a vLLM server without a parser of tool calls does."""
        if self.refuses_tools and "tools" in body:
            error = {"message": VLLM_REFUSAL, "type": "BadRequestError", "param": None, "code": 400}
            raise Refused("tools", 400, {"error": error})

    def message(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the next call, or the text of the answer."""
        answer, done = self._play(self._case(body)), self._calls_made(body)
        call = answer["calls"][done] if done < len(answer["calls"]) else None
        if "tools" in body:
            return _native(call, done) if call else {"content": answer["answer"]}
        if "next_tool_name" not in json.dumps(body["response_format"]):
            return {"content": json.dumps({"reasoning": "r", "answer": answer["answer"]}, ensure_ascii=False)}
        name, arguments = (call["tool"], call["arguments"]) if call else ("finish", {})
        step = {"next_thought": "so", "next_tool_name": name, "next_tool_args": arguments}
        return {"content": json.dumps(step, ensure_ascii=False)}

    def _case(self, body: dict[str, Any]) -> Case:
        texts = "\n".join(str(each.get("content")) for each in body["messages"])
        return next(case for text, case in self._cases.items() if text in texts)

    def _calls_made(self, body: dict[str, Any]) -> int:
        if "tools" in body:
            return sum(each["role"] == "tool" for each in body["messages"])
        last = str(body["messages"][-1]["content"])
        return sum(f"observation_{number}" in last for number in range(20))


def _native(call: Mapping[str, Any], number: int) -> dict[str, Any]:
    function = {"name": call["tool"], "arguments": json.dumps(call["arguments"], ensure_ascii=False)}
    return {"content": None, "tool_calls": [{"id": f"call-{number}", "type": "function", "function": function}]}
