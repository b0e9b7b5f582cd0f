"""Behaviour of a model that was learnt from its refusals and its cut-off answers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final, Literal

OutputForm = Literal["Schema", "JSONObject", "Text"]
"""Form of an answer that is requested from a server: by a JSON schema, any JSON object, or free text."""
LIFETIME_S: Final = 3600.0
"""Seconds after which learnt behaviour is forgotten, because servers and gateways are upgraded."""


@dataclass(frozen=True)
class ModelBehaviour:
    """Behaviour of one model at one endpoint."""

    endpoint: str
    """URL of the endpoint, without user, password and query."""
    model: str
    refused: frozenset[str] = frozenset()
    """Names of the request's parameters that the model refuses, such as ``temperature``. They are not sent."""
    output: OutputForm = "Schema"
    """Widest form of an answer that the server accepts."""
    bounded: bool = False
    """True if free answers were cut off at ``max_tokens``: texts and lists get bounds that fit."""
    learnt_at_s: float = 0.0
    """Unix time of the last change, in seconds."""

    @property
    def is_known(self) -> bool:
        """True if there is anything to remember."""
        return bool(self.refused) or self.output != "Schema" or self.bounded


class LearntBehaviour:
    """Learnt behaviour of the models that this process calls. Thread-safe. Entries expire after ``LIFETIME_S``."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """Take the wall clock, which returns Unix seconds."""
        self._now_s = now_s
        self._lock = Lock()
        self._found: dict[tuple[str, str], ModelBehaviour] = {}

    def of(self, endpoint: str, model: str) -> ModelBehaviour:
        """Return the behaviour of a model, or one without any finding."""
        with self._lock:
            found = self._found.get((endpoint, model))
            if found is not None and found.learnt_at_s + LIFETIME_S <= self._now_s():
                del self._found[endpoint, model]
                found = None
        return found or ModelBehaviour(endpoint, model)

    def learn(self, found: ModelBehaviour) -> ModelBehaviour:
        """Remember the behaviour from now on, and return it with its time."""
        stamped = replace(found, learnt_at_s=self._now_s())
        with self._lock:
            self._found[found.endpoint, found.model] = stamped
        return stamped

    def merge(self, others: Iterable[ModelBehaviour]) -> None:
        """Take over what other processes have learnt, unless this process has learnt something later."""
        with self._lock:
            for each in others:
                own = self._found.get((each.endpoint, each.model))
                if own is None or own.learnt_at_s < each.learnt_at_s:
                    self._found[each.endpoint, each.model] = each

    def snapshot(self) -> tuple[ModelBehaviour, ...]:
        """Return everything that is known and not expired, ordered by endpoint and model."""
        now_s = self._now_s()
        with self._lock:
            known = [each for each in self._found.values() if each.is_known and each.learnt_at_s + LIFETIME_S > now_s]
        return tuple(sorted(known, key=lambda each: (each.endpoint, each.model)))
