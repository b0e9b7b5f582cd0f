"""Servers and gateways in front of models, with error reports of their own."""

from typing import Any

from support.model_servers.base import ModelDouble, Refused


class LlamaCppPython(ModelDouble):
    """The server of llama-cpp-python, which knows no schemas and fails on a ``response_format`` with one."""

    source = "https://github.com/ggml-org/llama.cpp/issues/23463"
    model = "llama-3"

    def judge(self, body: dict[str, Any]) -> None:
        """Fail on a schema, as on an unexpected error."""
        if body.get("response_format", {}).get("type") not in (None, "text", "json_object"):
            error = {"message": "Internal Server Error", "type": "internal_server_error", "param": None, "code": None}
            raise Refused("json_schema", 500, {"error": error})


class OldLlamaCpp(ModelDouble):
    """llama.cpp's server before it knew schemas in ``response_format``, as in the fork ik_llama.cpp."""

    source = "https://github.com/ikawrakow/ik_llama.cpp/issues/778"
    model = "llama-2"

    def judge(self, body: dict[str, Any]) -> None:
        """Fail on a type of the format that it does not know."""
        kind = body.get("response_format", {}).get("type", "text")
        if kind not in ("text", "json_object"):
            message = f'response_format type must be one of "text" or "json_object", but got: {kind}'
            raise Refused(kind, 500, {"error": {"code": 500, "message": message, "type": "server_error"}})


class LiteLLMGateway(ModelDouble):
    """LiteLLM in front of OpenAI's reasoning models: the parameter stands in the message alone."""

    source = "https://github.com/BerriAI/litellm/issues/13381, https://github.com/HKUDS/nanobot/issues/370"
    model = "o4-mini"

    def judge(self, body: dict[str, Any]) -> None:
        """Refuse the old name of the limit and another temperature than 1."""
        if "max_tokens" in body:
            problem = "Unsupported parameter: 'max_tokens' is not supported with this model."
            hint = "Use 'max_completion_tokens' instead."
            raise self._refuse("max_tokens", f"litellm.BadRequestError: OpenAIException - {problem} {hint}")
        temperature = body.get("temperature", 1)
        if temperature != 1:
            problem = f"O-series models don't support temperature={temperature}. Only temperature=1 is supported."
            hint = "To drop unsupported openai params from the call, set `litellm.drop_params = True`"
            raise self._refuse("temperature", f"litellm.UnsupportedParamsError: {problem} {hint}")

    def _refuse(self, parameter: str, message: str) -> Refused:
        return Refused(parameter, 400, {"error": {"message": message, "type": "None", "param": "None", "code": "400"}})


class GemmaTemplate(ModelDouble):
    """vLLM with a model whose chat template knows no system role."""

    source = "https://huggingface.co/google/gemma-2-9b-it/blob/main/tokenizer_config.json"
    model = "gemma-2-9b-it"

    def judge(self, body: dict[str, Any]) -> None:
        """Refuse a conversation that begins with a system message."""
        if body["messages"][0]["role"] == "system":
            error = {"message": "System role not supported", "type": "BadRequestError", "param": None, "code": 400}
            raise Refused("system_role", 400, error)


class OpenRouter(ModelDouble):
    """OpenRouter with ``require_parameters`` in front of a model none of whose providers takes a schema."""

    source = "https://openrouter.ai/docs/features/provider-routing"
    model = "mistralai/mistral-nemo"

    def judge(self, body: dict[str, Any]) -> None:
        """Find no provider for a schema."""
        if body.get("response_format", {}).get("type") == "json_schema":
            message = "No endpoints found that can handle the requested parameters. To learn more, see the docs."
            raise Refused("json_schema", 404, {"error": {"message": message, "code": 404}})
