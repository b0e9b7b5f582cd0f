"""Body of a request for a chat completion."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cognitive_runtime.adapters.model.provider_api import ProviderAPI
from cognitive_runtime.adapters.model.refusals import RESPONSE_FORMAT, SYSTEM_ROLE
from cognitive_runtime.adapters.model.stream import STREAM_OPTIONS
from cognitive_runtime.domain import Message, ModelBehaviour, OutputForm, VLLMRequest
from cognitive_runtime.domain.behaviour import weaker


def request_body(request: VLLMRequest, behaviour: ModelBehaviour, api: ProviderAPI) -> dict[str, Any]:
    """Return the body, without the parameters that the model refuses and in the form of an answer that it accepts."""
    refused = behaviour.refused | ({"stream_options"} if "stream" in behaviour.refused else set())
    limit = "max_completion_tokens" if "max_tokens" in refused else "max_tokens"
    messages = _without_system(request.messages) if SYSTEM_ROLE in refused else request.messages
    own = {
        "model": request.model,
        "messages": [_message(message) for message in messages],
        limit: request.max_tokens,
    }
    further = {name: value for name, value in _optional(request, api).items() if name not in refused}
    if request.diversity_seed is not None and "temperature" in refused and "seed" not in refused:
        further["seed"] = request.diversity_seed
    response_format = _response_format(request, behaviour.output)
    if response_format is not None:
        further[RESPONSE_FORMAT] = response_format
    return {**request.extra_body, **own, **further}


def _optional(request: VLLMRequest, api: ProviderAPI) -> dict[str, Any]:
    """Return the parameters that a model may refuse. Absent ones and penalties of 0 are left out."""
    sampling = {"temperature": request.temperature, "top_p": request.top_p}
    penalties = {"frequency_penalty": request.frequency_penalty, "presence_penalty": request.presence_penalty}
    found: dict[str, Any] = api.settings({name: value for name, value in sampling.items() if value is not None})
    found |= {name: value for name, value in penalties.items() if value}
    if request.reasoning_effort is not None:
        found["reasoning_effort"] = request.reasoning_effort
    if request.tools:
        found["tools"] = list(request.tools)
    if request.stream:
        found |= {"stream": True, "stream_options": STREAM_OPTIONS}
    return found


def _without_system(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the messages with the instructions of the role ``system`` at the beginning of the first other message."""
    instructions = "\n\n".join(each.content for each in messages if each.role == "system")
    others = [each for each in messages if each.role != "system"]
    if not others or others[0].role != "user":
        return [Message("user", instructions), *others]
    return [replace(others[0], content=f"{instructions}\n\n{others[0].content}"), *others[1:]]


def _message(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_call_id is not None:
        found["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        found["content"] = message.content or None
        found["tool_calls"] = [
            {"id": each.id, "type": "function", "function": {"name": each.name, "arguments": each.arguments}}
            for each in message.tool_calls
        ]
    return found


def _response_format(request: VLLMRequest, accepted: OutputForm) -> dict[str, Any] | None:
    form = weaker(request.output, accepted)
    if form == "Text" or (request.output == "Schema" and request.json_schema is None):
        return None
    if form == "JSONObject" or request.json_schema is None:
        return {"type": "json_object"}
    schema = request.json_schema
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": _is_strict(schema), "schema": schema}}


def _is_strict(schema: Any) -> bool:
    """Return True if all properties are required, which OpenAI's strict mode demands."""
    if isinstance(schema, list):
        return all(_is_strict(each) for each in schema)
    if not isinstance(schema, dict):
        return True
    is_complete = len(schema.get("required", ())) == len(schema.get("properties", ()))
    return is_complete and all(_is_strict(each) for each in schema.values())
