"""Fallback models: the next model is called if the one before is unavailable."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import Final, Protocol

from cognitive_runtime.adapters.model.endpoint import base_url, printable
from cognitive_runtime.adapters.model.retry import TRANSIENT_ERRORS
from cognitive_runtime.domain import (
    CredentialsNotMounted,
    CredentialsRefused,
    LedgerUnavailable,
    ModelBehaviour,
    ModelEndpoint,
    QuotaExceeded,
    ReasoningError,
    VLLMRequest,
    VLLMResponse,
)

_LOGGER: Final = logging.getLogger(__name__)
_OF_ACCOUNT: Final = (QuotaExceeded, CredentialsRefused)
"""Permanent errors of an account. Another endpoint has another account and another key."""


class IModelClient(Protocol):
    """Client of one model, which can be given less time than its own deadline allows."""

    @property
    def behaviour(self) -> ModelBehaviour:
        """Learnt behaviour of the model."""

    def learn_bounded(self) -> None:
        """Remember that the model's free answers are cut off."""

    async def generate(self, request: VLLMRequest, deadline_s: float = inf) -> VLLMResponse:
        """Return the model's response. All its calls end at the deadline, a time of the monotonic clock.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """


class FallbackClient:
    """Implements ``IVLLMClient`` for one attempt, which keeps using the first model that answered."""

    def __init__(
        self,
        models: Sequence[tuple[ModelEndpoint, IModelClient]],
        deadline_s: float = inf,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the models in order of preference, each with its client, and the deadline of all their calls."""
        self._models = [(_printable(endpoint), client) for endpoint, client in models]
        self._deadline_s = deadline_s
        self._now_s = now_s

    @property
    def behaviour(self) -> ModelBehaviour:
        """Learnt behaviour of the model that the next call goes to."""
        return self._models[0][1].behaviour

    def learn_bounded(self) -> None:
        """Remember that the free answers of the model that answered are cut off."""
        self._models[0][1].learn_bounded()

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        """Return the response of the first available model.

        Raises:
            ReasoningError: A model failed permanently, or all models failed.
        """
        failures: list[ReasoningError] = []
        for number, (endpoint, client) in enumerate(self._models):
            deadline_s = self._share_s(len(self._models) - number)
            try:
                response = await client.generate(replace(request, model=endpoint.model), deadline_s)
            except (*TRANSIENT_ERRORS, *_OF_ACCOUNT) as error:
                error.answered_by = endpoint if isinstance(error, _OF_ACCOUNT) else None
                failures.append(error)
                _log_failure(request, endpoint, error)
                continue
            except ReasoningError as error:
                error.answered_by = None if isinstance(error, CredentialsNotMounted | LedgerUnavailable) else endpoint
                raise
            del self._models[:number]
            return replace(response, answered_by=endpoint)
        raise _combined(failures)

    def _share_s(self, models_left: int) -> float:
        """Return the deadline of the next model: an equal share of the time that is left to it and all after it."""
        now_s = self._now_s()
        return now_s + (self._deadline_s - now_s) / models_left


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
    combined = type(last)(message, retry_after_s=last.retry_after_s, usage=last.usage)
    combined.answered_by = last.answered_by
    return combined
