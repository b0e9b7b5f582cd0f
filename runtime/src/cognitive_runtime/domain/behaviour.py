"""Behaviour of a model that was learnt from its refusals and its cut-off answers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

OutputForm = Literal["Schema", "JSONObject", "Text"]
"""Form of an answer that is requested from a server: by a JSON schema, any JSON object, or free text."""
OUTPUT_FORMS: Final[tuple[OutputForm, ...]] = ("Schema", "JSONObject", "Text")
"""Forms of an answer, from the strictest to the weakest."""
TOKEN_LIMITS: Final = frozenset({"max_tokens", "max_completion_tokens"})
"""Names of the token limit. Servers know one of them or both."""
LIFETIME_S: Final = 3600.0
"""Seconds after which learnt behaviour is forgotten, because servers and gateways are upgraded."""


def weaker(first: OutputForm, second: OutputForm) -> OutputForm:
    """Return the weaker one of two forms of an answer."""
    return max(first, second, key=OUTPUT_FORMS.index)


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

    def with_refused(self, names: frozenset[str]) -> "ModelBehaviour":
        """Return the behaviour with further refused parameters. The last refused name of the token limit counts."""
        known = self.refused - TOKEN_LIMITS if names & TOKEN_LIMITS else self.refused
        return replace(self, refused=known | names)


class LearntBehaviour:
    """Learnt behaviour of the models that this process calls. Entries expire after ``LIFETIME_S``.

    Threads may share it: entries are frozen and replaced as a whole. Of two simultaneous findings about one model, one
    may get lost; the next refused call finds it again.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        """Take the wall clock, which returns Unix seconds."""
        self._now_s = now_s
        self._found: dict[tuple[str, str], ModelBehaviour] = {}
        self._suspected_at_s: dict[tuple[str, str], float] = {}

    def of(self, endpoint: str, model: str) -> ModelBehaviour:
        """Return the behaviour of a model, or one without any finding."""
        found = self._found.get((endpoint, model))
        return found if found and self._is_fresh(found.learnt_at_s) else ModelBehaviour(endpoint, model)

    def learn(self, found: ModelBehaviour) -> ModelBehaviour:
        """Remember a finding in addition to what is known of the model. Return all of it, with the time."""
        known = self.of(found.endpoint, found.model).with_refused(found.refused)
        stamped = replace(
            known,
            output=weaker(known.output, found.output),
            bounded=known.bounded or found.bounded,
            learnt_at_s=self._now_s(),
        )
        self._found[found.endpoint, found.model] = stamped
        return stamped

    def suspect(self, endpoint: str, model: str) -> None:
        """Note a failure that a form of the answer may have caused."""
        self._suspected_at_s[endpoint, model] = self._now_s()

    def is_suspected(self, endpoint: str, model: str) -> bool:
        """Return True if a form of the answer may have caused a failure, and has not succeeded since."""
        at_s = self._suspected_at_s.get((endpoint, model))
        return at_s is not None and self._is_fresh(at_s)

    def trust(self, endpoint: str, model: str) -> None:
        """Forget the suspicion: the form of the answer has succeeded."""
        self._suspected_at_s.pop((endpoint, model), None)

    def merge(self, others: Iterable[ModelBehaviour]) -> None:
        """Take over what other processes have learnt, unless this process has learnt something later."""
        now_s = self._now_s()
        for each in others:
            own = self._found.get((each.endpoint, each.model))
            if own is None or own.learnt_at_s < each.learnt_at_s:  # another machine's clock may be ahead
                self._found[each.endpoint, each.model] = replace(each, learnt_at_s=min(each.learnt_at_s, now_s))

    def snapshot(self) -> tuple[ModelBehaviour, ...]:
        """Return everything that is known and not expired, ordered by endpoint and model."""
        known = [each for each in tuple(self._found.values()) if each.is_known and self._is_fresh(each.learnt_at_s)]
        return tuple(sorted(known, key=lambda each: (each.endpoint, each.model)))

    def _is_fresh(self, at_s: float) -> bool:
        return at_s + LIFETIME_S > self._now_s()
