"""Adaptation of a request to what its model accepts: each refused call changes one thing, each thing at most once."""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.adapters.model.completion import Completion
from cognitive_runtime.adapters.model.refusals import (
    ADAPTABLE,
    RESPONSE_FORMAT,
    SYSTEM_ROLE,
    has_no_provider,
    is_parameter_refused,
    names_other_field,
    names_whole_format,
    refused_parameter,
)
from cognitive_runtime.adapters.model.report import ServerReport
from cognitive_runtime.domain import BadRequest, LearntBehaviour, ModelBehaviour, ReasoningError, VLLMRequest
from cognitive_runtime.domain.behaviour import TOKEN_LIMITS, weaker

_LOGGER: Final = logging.getLogger(__name__)
_BROKEN: Final = 500
_UNSUPPORTED: Final = 501
_CONFIRMED: Final = 2
"""Failures that do not name their cause, after which a form of the answer is held to be the cause."""
Body = dict[str, Any]
MakeBody = Callable[[ModelBehaviour], Body]
Send = Callable[[Body], Awaitable[Completion]]


class Refusal(Exception):
    """The server refused a call, possibly because of one of its parameters."""

    def __init__(self, error: ReasoningError, report: ServerReport) -> None:
        super().__init__(str(error))
        self.error = error
        """Error of the call if nothing can be changed."""
        self.report = report


def may_be_adapted(report: ServerReport) -> bool:
    """Return True if a changed call may succeed."""
    return report.status in (_BROKEN, _UNSUPPORTED) or is_parameter_refused(report)


def remember(learnt: LearntBehaviour, found: ModelBehaviour) -> None:
    """Remember what was learnt of a model, and log it."""
    stamped = learnt.learn(found)
    line = {
        "event": "ModelBehaviourLearnt",
        "endpoint": stamped.endpoint,
        "model": stamped.model,
        "refused": sorted(stamped.refused),
        "output": stamped.output,
        "bounded": stamped.bounded,
    }
    _LOGGER.info("learnt the behaviour of a model", extra=line)


class Adaptation:
    """Changes of one request, over all its calls and retries. They are learnt once a changed call has succeeded."""

    def __init__(self, learnt: LearntBehaviour, endpoint: str, request: VLLMRequest, *, has_retries: bool) -> None:
        """Begin with what is known of the model."""
        self._learnt = learnt
        self._request = request
        self._known = learnt.of(endpoint, request.model)
        self._behaviour = self._known
        self._has_renamed_limit = False
        self._unnamed = 0
        """Failures with a ``response_format`` that did not name their cause."""
        self._was_suspected = False
        """True if an earlier request had failed in this way when the first such call of this one was made."""
        self._is_named = False
        """True if the server named the form of the answer as the cause."""
        self._patience = 1 if has_retries else 0
        """Calls that are repeated unchanged after HTTP 500, which often has a passing cause."""
        self._is_exhausted = False
        """True if the form of the answer is not the cause of the failures."""

    async def call(self, make_body: MakeBody, send: Send) -> Completion:
        """Make a call, and changed ones as long as the server refuses them.

        Raises:
            ReasoningError: The last call failed.
        """
        while True:
            body = make_body(self._behaviour)
            if not self._unnamed:
                self._was_suspected = self._learnt.is_suspected(self._known.endpoint, self._known.model)
            try:
                answer = await send(body)
            except Refusal as refusal:
                self._change(refusal, body)
            else:
                self._learn(answer, has_form=RESPONSE_FORMAT in body)
                return answer

    def _change(self, refusal: Refusal, body: Body) -> None:
        """Change one thing for the next call.

        Raises:
            ReasoningError: There is nothing to change.
        """
        report, extra, has_form = refusal.report, self._request.extra_body, RESPONSE_FORMAT in body
        name = refused_parameter(report, _adaptable(body, extra), extra)
        is_refused = is_parameter_refused(report) or name == SYSTEM_ROLE
        if name == RESPONSE_FORMAT:
            is_changed = self._weaken(to_text=names_whole_format(report))
        elif name is None or not is_refused:
            is_changed = has_form and not names_other_field(report) and self._weaken_on_suspicion(report)
        elif name in extra:
            error = f"{refusal.error} It refuses the field llm.extraBody.{name}: remove or correct it."
            raise BadRequest(error) from None
        else:
            is_changed = self._refuse(name)
        if not is_changed:
            if not has_form and not self._is_named:
                self._give_up_form()
            raise refusal.error from None

    def _refuse(self, name: str) -> bool:
        """Leave a parameter out of later calls. The token limit changes its name instead, once."""
        if name in TOKEN_LIMITS:
            if self._has_renamed_limit:
                return False
            self._has_renamed_limit = True
        self._behaviour = self._behaviour.with_refused(frozenset({name}))
        return True

    def _weaken_on_suspicion(self, report: ServerReport) -> bool:
        """Ask for a weaker form of the answer, because the form may be the cause of a failure without a named one."""
        self._unnamed += 1
        if report.status == _BROKEN and self._unnamed <= self._patience:
            return False
        return self._weaken(is_named=has_no_provider(report))

    def _weaken(self, *, is_named: bool = True, to_text: bool = False) -> bool:
        """Ask for a weaker form of the answer. Return False if none is left."""
        self._is_named |= is_named
        form = weaker(self._request.output, self._behaviour.output)
        if form == "Text" or self._is_exhausted:
            return False
        self._behaviour = replace(self._behaviour, output="Text" if to_text or form == "JSONObject" else "JSONObject")
        return True

    def _give_up_form(self) -> None:
        """Return to the known form of the answer: without a form, the call failed in the same way."""
        self._is_exhausted = True
        self._behaviour = replace(self._behaviour, output=self._known.output)

    def _learn(self, answer: Completion, *, has_form: bool) -> None:
        """Learn what the successful call did without."""
        found = self._behaviour
        if has_form and found.output == self._known.output and not self._request.has_tailored_schema:
            self._learnt.trust(found.endpoint, found.model)
        if found.output != self._known.output and not (answer.may_hold_object() and self._proves_form()):
            found = replace(found, output=self._known.output)
        if found != self._known:
            remember(self._learnt, found)
            self._known = found

    def _proves_form(self) -> bool:
        """Return True if the form of the answer was the cause of the failures.

        A tailored schema says nothing about other schemas. A single failure without a named cause may have been a stray
        one, and simultaneous requests may share it: it counts when a later request fails, with no success in between.
        """
        if self._request.has_tailored_schema:
            return False
        if self._is_named or self._unnamed >= _CONFIRMED:
            return True
        self._learnt.suspect(self._known.endpoint, self._known.model)
        return self._was_suspected


def _adaptable(body: Body, extra: Collection[str]) -> list[str]:
    """Return the names of what the body has and can do without."""
    roles = {message["role"] for message in body["messages"]}
    own = [name for name in body if name in ADAPTABLE and name not in extra]
    return [*own, SYSTEM_ROLE] if "system" in roles else own
