"""Models that show their thinking, each in its own form."""

from typing import Any

from support.model_servers.answers import answer_to, draft_of, prompt_of
from support.model_servers.base import ModelDouble, Refused


class DeepSeekReasoner(ModelDouble):
    """DeepSeek-R1 at DeepSeek's API: thinking in ``reasoning_content``, JSON objects but no schemas."""

    source = "https://github.com/ItzCrazyKns/Vane/issues/969, https://api-docs.deepseek.com/guides/json_mode"
    model = "deepseek-reasoner"
    reasoning_tokens = 300

    def judge(self, body: dict[str, Any]) -> None:
        """Refuse a schema, and a JSON object that the messages do not mention."""
        kind = body.get("response_format", {}).get("type")
        if kind == "json_schema":
            raise self._refuse("json_schema", "This response_format type is unavailable now")
        if kind == "json_object" and "json" not in prompt_of(body).lower():
            word = "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
            raise self._refuse("json_object", word)

    def message(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return answer and thinking in fields of their own."""
        return {"content": answer_to(body), "reasoning_content": draft_of(body)}

    def _refuse(self, parameter: str, message: str) -> Refused:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": "invalid_request_error"}
        return Refused(parameter, 400, {"error": error})


class Qwen3(ModelDouble):
    """Qwen3 on a server without a reasoning parser: the chat template opens the thinking, and the model closes it."""

    source = "https://github.com/vllm-project/vllm/issues/13125, https://huggingface.co/Qwen/Qwen3-4B-Thinking-2507"
    model = "qwen3-4b-thinking"

    def message(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the thinking with its closing tag, and the answer after it."""
        return {"content": f"{draft_of(body)}\n</think>\n\n{answer_to(body)}"}


class GPTOSS(ModelDouble):
    """gpt-oss on a server that does not parse harmony's channels."""

    source = "https://github.com/scouzi1966/maclocal-api/issues/121, https://github.com/ml-explore/mlx-lm/pull/1867"
    model = "gpt-oss-20b"

    def message(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the channels as the model writes them."""
        thinking = f"<|channel|>analysis<|message|>{draft_of(body)}<|end|>"
        return {"content": f"{thinking}<|start|>assistant<|channel|>final<|message|>{answer_to(body)}"}


class Magistral(ModelDouble):
    """Magistral at Mistral's API: content in parts, and no field that the API does not know."""

    source = "https://docs.mistral.ai/capabilities/reasoning, https://github.com/editor-code-assistant/eca/issues/231"
    model = "magistral-medium-latest"
    known = frozenset(
        {
            "model",
            "messages",
            "temperature",
            "top_p",
            "max_tokens",
            "stream",
            "stop",
            "random_seed",
            "response_format",
            "tools",
            "tool_choice",
            "presence_penalty",
            "frequency_penalty",
            "n",
            "prompt_mode",
            "reasoning_effort",
            "safe_prompt",
        }
    )

    def judge(self, body: dict[str, Any]) -> None:
        """Refuse unknown fields with the report of pydantic."""
        unknown = [name for name in body if name not in self.known]
        if unknown:
            problem = {"type": "extra_forbidden", "msg": "Extra inputs are not permitted"}
            detail = [problem | {"loc": ["body", name], "input": body[name]} for name in unknown]
            report = {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"}
            raise Refused(unknown[0], 422, report | {"param": None, "code": None})

    def message(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return thinking and answer as parts of the content."""
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": draft_of(body)}], "closed": True}
        return {"content": [thinking, {"type": "text", "text": answer_to(body)}]}
