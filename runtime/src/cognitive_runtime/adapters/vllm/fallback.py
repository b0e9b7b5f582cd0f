"""Several models in order: the next one is asked when the one before cannot answer now."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cognitive_runtime.adapters.vllm.endpoint import base_url, printable
from cognitive_runtime.adapters.vllm.retry import WORTH_A_RETRY
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
    """Implements ``IVLLMClient`` for one attempt, which stays with the model that answered it first."""

    def __init__(self, models: Sequence[tuple[ModelEndpoint, IVLLMClient]]) -> None:
        """Take the models in the order in which they are asked, each with its own client."""
        self._models = [(_shown(endpoint), client) for endpoint, client in models]

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        """Return the answer of the first model that can answer now.

        Raises:
            ReasoningError: A model failed in a way that another one does not make good, or all of them failed.
        """
        failures: list[ReasoningError] = []
        for number, (endpoint, client) in enumerate(self._models):
            try:
                response = await client.generate(replace(request, model=endpoint.model))
            except WORTH_A_RETRY as error:
                failures.append(error)
                _tell(request, endpoint, error)
                continue
            except ReasoningError as error:
                error.answered_by = None if isinstance(error, CredentialsNotMounted | LedgerUnavailable) else endpoint
                raise
            del self._models[:number]
            return replace(response, answered_by=endpoint)
        raise _together(failures)


def _shown(endpoint: ModelEndpoint) -> ModelEndpoint:
    return replace(endpoint, endpoint=printable(endpoint.endpoint))


def _tell(request: VLLMRequest, endpoint: ModelEndpoint, error: ReasoningError) -> None:
    line = {
        "event": "ModelGivenUp",
        "attempt": request.request_id,
        "model": endpoint.model,
        "server": base_url(endpoint.endpoint),
        "error_type": error.error_type,
    }
    _LOGGER.warning("model given up for this call", extra=line)


def _together(failures: Sequence[ReasoningError]) -> ReasoningError:
    """Return the last failure, which tells of those before it too."""
    last = failures[-1]
    if len(failures) == 1:
        return last
    message = " ".join(str(failure) for failure in failures)
    return type(last)(message, retry_after_s=last.retry_after_s, usage=last.usage)
