"""Fallback models: the next model is called if the one before is unavailable."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cognitive_runtime.adapters.vllm.endpoint import base_url, printable
from cognitive_runtime.adapters.vllm.retry import TRANSIENT_ERRORS
from cognitive_runtime.domain import (
    CredentialsNotMounted,
    IVLLMClient,
    LedgerUnavailable,
    ModelEndpoint,
    ReasoningError,
    VLLMRequest,
    VLLMResponse,
)

_LOGGER: Final = logging.getLogger(__name__)


class FallbackClient:
    """Implements ``IVLLMClient`` for one attempt, which keeps using the first model that answered."""

    def __init__(self, models: Sequence[tuple[ModelEndpoint, IVLLMClient]]) -> None:
        """Take the models in order of preference, each with its client."""
        self._models = [(_printable(endpoint), client) for endpoint, client in models]

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        """Return the response of the first available model.

        Raises:
            ReasoningError: A model failed permanently, or all models failed.
        """
        failures: list[ReasoningError] = []
        for number, (endpoint, client) in enumerate(self._models):
            try:
                response = await client.generate(replace(request, model=endpoint.model))
            except TRANSIENT_ERRORS as error:
                failures.append(error)
                _log_failure(request, endpoint, error)
                continue
            except ReasoningError as error:
                error.answered_by = None if isinstance(error, CredentialsNotMounted | LedgerUnavailable) else endpoint
                raise
            del self._models[:number]
            return replace(response, answered_by=endpoint)
        raise _combined(failures)


def _printable(endpoint: ModelEndpoint) -> ModelEndpoint:
    return replace(endpoint, endpoint=printable(endpoint.endpoint))


def _log_failure(request: VLLMRequest, endpoint: ModelEndpoint, error: ReasoningError) -> None:
    line = {
        "event": "ModelGivenUp",
        "attempt": request.request_id,
        "model": endpoint.model,
        "server": base_url(endpoint.endpoint),
        "error_type": error.error_type,
    }
    _LOGGER.warning("model failed; trying the next one", extra=line)


def _combined(failures: Sequence[ReasoningError]) -> ReasoningError:
    """Return the last failure, with the messages of all failures."""
    last = failures[-1]
    if len(failures) == 1:
        return last
    message = " ".join(str(failure) for failure in failures)
    return type(last)(message, retry_after_s=last.retry_after_s, usage=last.usage)
