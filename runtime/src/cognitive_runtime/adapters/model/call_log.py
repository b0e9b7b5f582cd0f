"""Logs of model calls: no prompts, no keys, and answers only on request."""

import logging
from dataclasses import dataclass
from typing import Any, Final

from cognitive_runtime.adapters.model.completion import Completion
from cognitive_runtime.domain import LLMLogging, ReasoningError, VLLMRequest

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallLog:
    """Logs one call, as the agent's logging settings require."""

    settings: LLMLogging
    server: str
    request: VLLMRequest
    number: int
    """Number of the try, from 1."""

    def begun(self) -> None:
        """Log the start of the call."""
        if self.settings.requests:
            request = self.request
            sizes = {
                "messages": len(request.messages),
                "prompt_chars": sum(len(message.content) for message in request.messages),
                "max_tokens": request.max_tokens,
                "stream": request.stream,
            }
            _LOGGER.info("model called", extra=self._line("ModelRequest", **sizes))

    def failed(self, error: ReasoningError, seconds: float) -> None:
        """Log the failure of the call, with the class of its error."""
        if self.settings.requests:
            line = self._line("ModelCallFailed", error_type=error.error_type, seconds=round(seconds, 3))
            _LOGGER.warning("model call failed", extra=line)

    def answered(self, answer: Completion, seconds: float) -> None:
        """Log the tokens and the text of the answer, if enabled."""
        if self.settings.tokens:
            usage = answer.token_usage()
            tokens = {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "total_tokens": usage.total_tokens,
                **({"reasoning_tokens": usage.reasoning_tokens} if usage.reasoning_tokens else {}),
                "seconds": round(seconds, 3),
            }
            _LOGGER.info("model tokens", extra=self._line("ModelTokens", **tokens))
        if self.settings.responses and answer.choices:
            choice = answer.choices[0]
            said = {"content": choice.message.texts().text or None, "finish_reason": choice.finish_reason}
            _LOGGER.info("model answered", extra=self._line("ModelResponse", **said))

    def _line(self, event: str, **fields: Any) -> dict[str, Any]:
        request = self.request
        common = {"attempt": request.request_id, "model": request.model, "server": self.server, "call": self.number}
        return {"event": event} | common | fields
