"""Claims: an attempt is executed by the one worker that created its claim."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.errors import PermanentBrokerError, TransientBrokerError, WrongLastSequence
from cognitive_runtime.adapters.nats.jetstream import create, last_message
from cognitive_runtime.adapters.nats.subjects import CLAIM_BUCKET
from cognitive_runtime.adapters.wire import Claim, WireError, parse_claim
from cognitive_runtime.adapters.worker.ports import WorkerIdentity
from cognitive_runtime.domain import AttemptOutcome, IClock

_LOGGER: Final = logging.getLogger(__name__)
_RETRY_S: Final = 0.25
_LOOK_S: Final = 1.0


@dataclass(frozen=True)
class EndedClaim:
    """What a claim becomes once its response is in the stream."""

    key: str
    value: bytes


@dataclass
class NatsClaims:
    """The claims of one worker. Implements ``IClaims``."""

    broker: BrokerConnection
    identity: WorkerIdentity
    clock: IClock
    _held: dict[str, Claim] = field(default_factory=dict)

    async def create(self, attempt_id: str) -> bool:
        """Claim an attempt for this worker; False when somebody has claimed it before.

        Repeats until the broker has answered: after a lost answer the claim itself tells whose it is.
        """
        claim = self._new_claim()
        while True:
            try:
                won = await self._create_once(attempt_id, claim)
            except TransientBrokerError as error:
                _LOGGER.debug("claim not decided yet", extra={"attempt": attempt_id, "error": str(error)})
                await asyncio.sleep(_RETRY_S)
                continue
            if won:
                self._held[attempt_id] = claim
            return won

    def end(self, outcome: AttemptOutcome) -> EndedClaim | None:
        """Forget a claim and return what to store in its place, None if this worker does not hold it."""
        claim = self._held.pop(outcome.attempt_id, None)
        if claim is None:
            return None
        ended = claim.model_copy(update={"state": "ended", "outcome": outcome.status, "ended_at": self.clock.now()})
        return EndedClaim(self._key(outcome.attempt_id), ended.encode())

    async def keep(self) -> None:
        """Store the held claims again when the broker has lost them, until cancelled.

        A bucket loses them together, so that the newest tells for all. A purged claim is not lost: its marker is there.
        """
        while True:
            await asyncio.sleep(_LOOK_S)
            with contextlib.suppress(TransientBrokerError, PermanentBrokerError):
                if self._held and await self._is_lost(next(reversed(self._held))):
                    await self._store_again()

    async def _is_lost(self, attempt_id: str) -> bool:
        return await last_message(self.broker, f"KV_{CLAIM_BUCKET}", self._subject(attempt_id)) is None

    async def _store_again(self) -> None:
        _LOGGER.warning("the broker lost claims", extra={"event": "ClaimsLost", "held": len(self._held)})
        for attempt_id, claim in list(self._held.items()):  # the one that is looked at is stored last
            with contextlib.suppress(WrongLastSequence):
                await create(self.broker, self._subject(attempt_id), claim.encode())

    async def _create_once(self, attempt_id: str, claim: Claim) -> bool:
        subject = self._subject(attempt_id)
        try:
            await create(self.broker, subject, claim.encode())
        except WrongLastSequence:
            return _is_of(claim, await last_message(self.broker, f"KV_{CLAIM_BUCKET}", subject))
        return True

    def _new_claim(self) -> Claim:
        return Claim(
            claim_id=uuid4().hex,
            worker=self.identity.worker,
            submission_id=self.identity.submission_id,
            mode=self.identity.mode,
            state="running",
            claimed_at=self.clock.now(),
        )

    def _subject(self, attempt_id: str) -> str:
        return f"$KV.{CLAIM_BUCKET}.{self._key(attempt_id)}"

    def _key(self, attempt_id: str) -> str:
        return f"{self.identity.agent_uid}.{attempt_id}"


def _is_of(claim: Claim, stored: bytes | None) -> bool:
    try:
        return parse_claim(stored or b"").claim_id == claim.claim_id
    except WireError:
        return False
