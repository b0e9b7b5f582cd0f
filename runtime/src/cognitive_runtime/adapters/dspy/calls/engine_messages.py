"""Conversion between the requests and responses of DSPy's engines and those of the model client."""

import json
from collections.abc import Iterator
from typing import Any, Final

from dspy import lm15

from cognitive_runtime.adapters.dspy.answers.parsing import decoded_text
from cognitive_runtime.domain import (
    LLMSettings,
    Message,
    ModelEndpoint,
    ToolCall,
    Usage,
    VLLMRequest,
    VLLMResponse,
)

TAILORED: Final = "has_tailored_schema"
"""Key of a request's extensions: true if the schema belongs to one task."""
_FINISH_REASONS: Final[dict[str, Any]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
}
_EFFORTS: Final = {"off": "none"}
"""Values of ``reasoning_effort`` for the efforts of DSPy that have another name there."""


def vllm_request(request: lm15.Request, settings: LLMSettings, request_id: str) -> VLLMRequest:
    """Return the request to the client. What the request leaves open comes from the agent's settings.

    Raises:
        lm15.UnsupportedFeatureError: The request asks for something that the client cannot send.
    """
    config = request.config
    extensions = dict(config.extensions or {})
    is_tailored = bool(extensions.pop(TAILORED, False))
    asked = config.response_format or {}
    effort = config.reasoning.effort if config.reasoning else None
    return VLLMRequest(
        model=settings.model,
        messages=tuple(_messages(request)),
        temperature=_either(config.temperature, settings.temperature),
        max_tokens=config.max_tokens or settings.max_tokens,
        top_p=_either(config.top_p, settings.top_p),
        output={"json_schema": "Schema", "json_object": "JSONObject"}.get(asked.get("type", ""), "Text"),  # type: ignore[arg-type]
        json_schema=asked.get("schema"),
        has_tailored_schema=is_tailored,
        frequency_penalty=_either(config.frequency_penalty, settings.frequency_penalty) or 0.0,
        presence_penalty=_either(config.presence_penalty, settings.presence_penalty) or 0.0,
        reasoning_effort=_EFFORTS.get(effort, effort) if effort else settings.reasoning.effort,
        extra_body=dict(settings.extra_body) | _further(config) | extensions,
        tools=tuple(_tool(each) for each in request.tools),
        stream=settings.stream,
        request_id=request_id,
    )


def engine_response(response: VLLMResponse) -> lm15.Response:
    """Return the response for DSPy: thinking, text and tool calls, with usage and the reason for the end."""
    parts: list[Any] = [lm15.ThinkingPart(response.reasoning)] if response.reasoning else []
    if response.content or not response.tool_calls:
        parts.append(lm15.TextPart(response.content))
    parts += [lm15.ToolCallPart(call.id, call.name, _arguments(call)) for call in response.tool_calls]
    return lm15.Response(
        id=None,
        model=_name(response.answered_by, response.model),
        message=lm15.Message("assistant", tuple(parts)),
        finish_reason=_FINISH_REASONS.get(response.finish_reason, "stop"),
        usage=_usage(response.usage),
    )


def _either(own: float | None, default: float | None) -> float | None:
    return default if own is None else own


def _name(answered_by: ModelEndpoint | None, model: str) -> str:
    return answered_by.model if answered_by else model


def _usage(usage: Usage) -> lm15.Usage:
    return lm15.Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        reasoning_tokens=usage.reasoning_tokens or None,
    )


def _further(config: lm15.Config) -> dict[str, Any]:
    """Return the settings that the client passes on unchanged.

    Raises:
        lm15.UnsupportedFeatureError: Log probabilities are asked for, which the client does not read.
    """
    if config.logprobs is not None or config.probabilities not in (None, "off", "if_available"):
        raise lm15.UnsupportedFeatureError("The model client reads no log probabilities.", feature="logprobs")
    further: dict[str, Any] = {
        "top_k": config.top_k,
        "stop": list(config.stop) or None,
        "seed": config.seed,
        "service_tier": config.service_tier,
        "user": config.user_id,
        "store": config.store,
    }
    choice = config.tool_choice
    if choice is not None:
        further |= {"tool_choice": _tool_choice(choice), "parallel_tool_calls": choice.parallel}
    return {name: value for name, value in further.items() if value is not None}


def _tool_choice(choice: lm15.ToolChoice) -> Any:
    if len(choice.allowed) == 1 and choice.mode == "required":
        return {"type": "function", "function": {"name": choice.allowed[0]}}
    return choice.mode


def _tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, lm15.FunctionTool):
        message = f"The model client calls functions only, not the tool {tool.name}."
        raise lm15.UnsupportedFeatureError(message, feature=f"tools[{tool.name}]")
    function = {"name": tool.name, "description": tool.description or "", "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _messages(request: lm15.Request) -> Iterator[Message]:
    system = request.system
    if system:
        yield Message("system", system if isinstance(system, str) else _text(system))
    for message in request.messages:
        yield from _split(message)


def _split(message: lm15.Message) -> Iterator[Message]:
    """Yield a message, and each result of a tool as a message of its own."""
    results = [part for part in message.parts if isinstance(part, lm15.ToolResultPart)]
    for result in results:
        yield Message("tool", _text(result.content), tool_call_id=result.id)
    rest = tuple(part for part in message.parts if not isinstance(part, lm15.ToolResultPart))
    if rest:
        calls = tuple(
            ToolCall(part.id, part.name, json.dumps(part.input, ensure_ascii=False))
            for part in rest
            if isinstance(part, lm15.ToolCallPart)
        )
        role: Any = "system" if message.role == "developer" else message.role
        yield Message(role, _text(rest), calls)


def _text(parts: Any) -> str:
    return "".join(_part_text(part) for part in parts)


def _part_text(part: Any) -> str:
    if isinstance(part, lm15.TextPart | lm15.RefusalPart):
        return str(part.text)
    if isinstance(part, lm15.DataPart):
        return json.dumps(part.value, ensure_ascii=False)
    if isinstance(part, lm15.ThinkingPart | lm15.ToolCallPart):
        return ""
    message = f"The model client sends text only; the message has a part of the type {part.type}."
    raise lm15.UnsupportedFeatureError(message, feature=part.type)


def _arguments(call: ToolCall) -> dict[str, Any]:
    """Return the arguments of a call, or none if the model wrote no JSON object."""
    found = decoded_text(call.arguments)
    return found if isinstance(found, dict) else {}
