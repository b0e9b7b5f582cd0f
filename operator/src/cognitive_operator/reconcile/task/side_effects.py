"""Reads whether an ended attempt has called a tool that can change something."""

from dataclasses import replace

from cognitive_operator.errors import MessageError
from cognitive_operator.plan.attempt.in_flight import AttemptEnd
from cognitive_operator.plan.attempt.side_effects import needs_claim, with_claim
from cognitive_operator.ports.broker import Claims
from cognitive_operator.reconcile.state.task_record import TaskRecord


class SideEffects:
    """Reads the claim of an unsuccessful attempt with tools, after its end: the executor writes it before the call."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def read(self, record: TaskRecord, end: AttemptEnd) -> AttemptEnd:
        """Return the end with the attempt's side effects; an attempt without tools costs no request.

        Raises:
            BrokerUnavailableError: The caller should retry.
        """
        if record.task is None or not needs_claim(record.task, end):
            return end
        try:
            return with_claim(record.task, end, await self._claims.get(end.key))
        except MessageError:  # it does not tell, so the attempt may have had side effects
            return replace(end, side_effects=True)
