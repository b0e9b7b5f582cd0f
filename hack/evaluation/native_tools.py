"""Cases with tools through native tool calls. For the comparison only: the product has no such loop.

An answer that is cut off at the maximum of tokens counts as an answer, although the product refuses it.
"""

import json
from typing import Any, Final

from openai import APIStatusError, OpenAI, OpenAIError
from openai.types.chat import ChatCompletion, ChatCompletionMessage

from cognitive_runtime.adapters.model.endpoint import base_url
from cognitive_runtime.llm_config import PROVIDERS, LLMConfig
from evaluation.cases import Case
from evaluation.tool_loops import BOUNDS, DATA, INSTRUCTIONS, observation
from evaluation.worlds import ScriptedTool, World

MAX_MESSAGE: Final = 300
"""Maximum characters of a server's message in a report."""
_UNUSED_KEY: Final = "unused-key"


class Unfinished(Exception):
    """The bounds are used up without an answer, or the model's message has neither text nor a call."""


class NativeTools:
    """Loop over ``tools`` and ``tool_calls`` of chat completions, for one thread."""

    def __init__(self, config: LLMConfig) -> None:
        """Take the model and its settings. Forms of answers, streaming and tokens for thinking have no effect.

        Raises:
            ValueError: The provider is Azure, whose addresses differ.
        """
        if config.provider == "azure":
            raise ValueError("--tools native does not support the provider azure")
        self._config = config

    def __call__(self, case: Case) -> dict[str, Any]:
        """Return the answer to a case, its calls of tools and its tokens, or the error."""
        config = self._config
        address = base_url(config.api_base or PROVIDERS[config.provider].api_base or "")
        key = config.api_key or _UNUSED_KEY
        with OpenAI(base_url=address, api_key=key, timeout=config.timeout, max_retries=config.max_retries) as client:
            run = _Run(client, config, case)
            try:
                answer = run.answer()
            except (OpenAIError, Unfinished) as error:
                return run.record() | {"success": False, "error_type": type(error).__name__, "error": _told(error, key)}
        return run.record() | {"success": True, "answer": answer}


class _Run:
    """One conversation about a case."""

    def __init__(self, client: OpenAI, config: LLMConfig, case: Case) -> None:
        self._client = client
        self._config = config
        self._world = World(case.tools)
        self._tools = [_described(each) for each in case.tools]
        rules = "\n\n".join(each for each in (config.system_prompt, INSTRUCTIONS, DATA) if each)
        self._messages: list[Any] = [
            {"role": "system", "content": rules},
            {"role": "user", "content": case.input["task_description"]},
        ]
        self._tokens = 0

    def record(self) -> dict[str, Any]:
        """Return calls and tokens up to now."""
        return {"calls": self._world.calls, "tokens": self._tokens}

    def answer(self) -> str:
        """Call tools until the model answers in text.

        Raises:
            Unfinished: The bounds are used up, or a message is empty.
            OpenAIError: The server failed or refused the request.
        """
        for _ in range(BOUNDS.steps):
            message = self._next()
            if not message.tool_calls:
                if not (message.content or "").strip():
                    raise Unfinished("the model answered with neither text nor a call of a tool")
                return message.content or ""
            self._messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls:
                self._messages.append({"role": "tool", "tool_call_id": call.id, "content": self._call(call)})
        raise Unfinished(f"the model did not finish within {BOUNDS.steps} steps")

    def _next(self) -> ChatCompletionMessage:
        left = BOUNDS.tokens - self._tokens
        if left <= 0:
            raise Unfinished(f"all {BOUNDS.tokens} tokens are used up")
        asked: dict[str, Any] = {"messages": self._messages, "tools": self._tools, "tool_choice": "auto"}
        found: ChatCompletion = self._client.chat.completions.create(**asked, **_settings(self._config, left))
        self._tokens += found.usage.total_tokens if found.usage else 0
        if not found.choices:
            raise Unfinished("the response of the server has no choice")
        return found.choices[0].message

    def _call(self, call: Any) -> str:
        if len(self._world.calls) >= BOUNDS.calls:
            raise Unfinished(f"all {BOUNDS.calls} calls of tools are used up")
        try:
            arguments = json.loads(call.function.arguments or "{}")
        except ValueError:
            arguments = call.function.arguments  # no object: the schema refuses it, and the model is told
        return json.dumps(observation(self._world.call(call.function.name, arguments)), ensure_ascii=False)


def _described(tool: ScriptedTool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
    return {"type": "function", "function": function}


def _settings(config: LLMConfig, left: int) -> dict[str, Any]:
    """Return model and settings of a call with at most ``left`` tokens, without those that are left to the server."""
    limit = "max_completion_tokens" if config.provider == "openai" else "max_tokens"
    found = {
        "model": config.model,
        limit: min(config.max_tokens, left),
        "temperature": config.temperature,
        "top_p": config.top_p,
        "frequency_penalty": config.frequency_penalty or None,
        "presence_penalty": config.presence_penalty or None,
        "reasoning_effort": config.reasoning_effort,
        "extra_body": dict(config.extra_body) or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _told(error: Exception, key: str) -> str:
    """Return a message for the report, without the key."""
    status = f"HTTP {error.status_code}: " if isinstance(error, APIStatusError) else ""
    return f"{status}{error}".replace(key, "[hidden]")[:MAX_MESSAGE]
