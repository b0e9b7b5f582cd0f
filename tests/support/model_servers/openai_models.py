"""OpenAI's reasoning models."""

from typing import Any, ClassVar

from support.model_servers.answers import schema_of
from support.model_servers.base import ModelDouble, Refused


def refuse(message: str, param: str, code: str | None) -> Refused:
    """Return a refusal in OpenAI's form."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Refused(param, 400, {"error": error})


def unsupported(param: str, hint: str = "") -> Refused:
    """Return the refusal of a parameter."""
    message = f"Unsupported parameter: '{param}' is not supported with this model.{hint}"
    return refuse(message, param, "unsupported_parameter")


class OpenAIModel(ModelDouble):
    """Rules that all reasoning models of OpenAI share."""

    provider = "openai"
    reasoning_tokens = 192
    unsupported: ClassVar[tuple[str, ...]]

    def judge(self, body: dict[str, Any]) -> None:
        """Refuse the old name of the limit, sampling parameters, and schemas that the strict mode does not take."""
        if "max_tokens" in body:
            raise unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
        for name in self.unsupported:
            if name in body:
                raise unsupported(name)
        if body.get("response_format", {}).get("json_schema", {}).get("strict"):
            self._judge_strict(schema_of(body), ())

    def _judge_strict(self, schema: Any, context: tuple[str, ...]) -> None:
        """Refuse an object that allows other properties. Source: moeru-ai/xsai#145."""
        if isinstance(schema, list):
            schema = dict(enumerate(schema))
        elif (
            isinstance(schema, dict)
            and schema.get("type") == "object"
            and schema.get("additionalProperties") is not False
        ):
            problem = "'additionalProperties' is required to be supplied and to be false."
            message = f"Invalid schema for response_format 'answer': In context={context}, {problem}"
            raise refuse(message, "response_format", None)
        if isinstance(schema, dict):
            for name, each in schema.items():
                self._judge_strict(each, (*context, str(name)))


class GPT5(OpenAIModel):
    """GPT-5: only the default temperature, no ``top_p`` and no penalties."""

    source = "https://github.com/diffbot/code-gpt-docs/issues/445, https://github.com/home-assistant/core/issues/158842"
    model = "gpt-5"
    unsupported = ("top_p", "frequency_penalty", "presence_penalty")

    def judge(self, body: dict[str, Any]) -> None:
        """Refuse another temperature than 1, too."""
        temperature = body.get("temperature", 1)
        if temperature != 1:
            problem = f"'temperature' does not support {temperature} with this model."
            message = f"Unsupported value: {problem} Only the default (1) value is supported."
            raise refuse(message, "temperature", "unsupported_value")
        super().judge(body)


class OSeries(OpenAIModel):
    """o3-mini: no sampling parameter at all."""

    source = "https://github.com/ChatGPTNextWeb/NextChat/issues/6120, https://github.com/livekit/agents/issues/1470"
    model = "o3-mini"
    unsupported = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
