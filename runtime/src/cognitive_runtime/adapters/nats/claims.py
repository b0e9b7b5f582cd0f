"""Claims of attempts in a key-value bucket: the worker that creates the claim executes the attempt."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.errors import PermanentBrokerError, TransientBrokerError, WrongLastSequence
from cognitive_runtime.adapters.nats.jetstream import create, last_message, last_stored, replace_last
from cognitive_runtime.adapters.nats.subjects import CLAIM_BUCKET
from cognitive_runtime.adapters.wire import Claim, WireError, parse_claim
from cognitive_runtime.adapters.worker.ports import WorkerIdentity
from cognitive_runtime.domain import AttemptOutcome, IClock, LeaseLost

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClaimTiming:
    """Intervals of claims, in seconds."""

    retry_s: float = 0.25
    """Pause before a claim is tried again."""
    check_interval_s: float = 1.0
    """Interval at which the worker checks that the broker still has its claims."""


@dataclass(frozen=True)
class EndedClaim:
    """Key and new value of a claim whose response is in the stream."""

    key: str
    value: bytes


@dataclass
class NatsClaims:
    """The claims of one worker. Implements ``IClaims`` and ``ISideEffects``."""

    broker: BrokerConnection
    identity: WorkerIdentity
    clock: IClock
    timing: ClaimTiming = field(default_factory=ClaimTiming)
    _held: dict[str, Claim] = field(default_factory=dict)
    _with_effects: set[str] = field(default_factory=set)
    """Attempts whose stored claim has side effects, as the broker has acknowledged."""

    async def create(self, attempt_id: str) -> bool:
        """Claim an attempt for this worker. Return False if another worker has claimed it.

        Retries until the broker answers. After a lost answer, the stored claim shows which worker it belongs to.
        """
        claim = self._new_claim()
        while True:
            try:
                won = await self._create_once(attempt_id, claim)
            except TransientBrokerError as error:
                _LOGGER.debug("claim not confirmed; retrying", extra={"attempt": attempt_id, "error": str(error)})
                await asyncio.sleep(self.timing.retry_s)
                continue
            if won:
                self._held[attempt_id] = claim
            return won

    async def record_side_effects(self, attempt_id: str) -> None:
        """Store that an attempt has side effects, and wait until the broker has acknowledged it. Idempotent.

        Retries until the broker answers. The held claim has the field from the first try on, so a claim that is stored
        again never loses it.

        Raises:
            LeaseLost: The stored claim is purged or another worker's: the operator has ended the attempt.
        """
        if attempt_id in self._with_effects:
            return
        claim = self._held.get(attempt_id)
        if claim is None:
            raise LeaseLost("The worker no longer holds the claim of the attempt, so no tool is called.")
        updated = claim.model_copy(update={"side_effects": True})
        self._held[attempt_id] = updated
        while True:
            try:
                await self._update(attempt_id, updated)
            except (TransientBrokerError, WrongLastSequence) as error:
                _LOGGER.debug("side effects not stored; retrying", extra={"attempt": attempt_id, "error": str(error)})
                await asyncio.sleep(self.timing.retry_s)
                continue
            self._with_effects.add(attempt_id)
            return

    def end(self, outcome: AttemptOutcome) -> EndedClaim | None:
        """Release a claim and return its final value, or None if this worker does not hold the claim."""
        claim = self._held.pop(outcome.attempt_id, None)
        self._with_effects.discard(outcome.attempt_id)
        if claim is None:
            return None
        ended = claim.model_copy(update={"state": "ended", "outcome": outcome.status, "ended_at": self.clock.now()})
        return EndedClaim(self._key(outcome.attempt_id), ended.encode())

    async def restore_lost(self) -> None:
        """Store the held claims again if the broker has lost them. Runs until cancelled.

        A broker loses all claims of a bucket together, so only the newest is checked. A purged claim is not lost: its
        purge marker is still stored.
        """
        while True:
            await asyncio.sleep(self.timing.check_interval_s)
            with contextlib.suppress(TransientBrokerError, PermanentBrokerError):
                if self._held and await self._is_lost(next(reversed(self._held))):
                    await self._store_again()

    async def _is_lost(self, attempt_id: str) -> bool:
        return await last_message(self.broker, f"KV_{CLAIM_BUCKET}", self._subject(attempt_id)) is None

    async def _store_again(self) -> None:
        _LOGGER.warning(
            "the broker lost claims; storing them again", extra={"event": "ClaimsLost", "held": len(self._held)}
        )
        for attempt_id, claim in list(self._held.items()):  # the claim that is checked is stored last
            with contextlib.suppress(WrongLastSequence):
                await create(self.broker, self._subject(attempt_id), claim.encode())

    async def _create_once(self, attempt_id: str, claim: Claim) -> bool:
        subject = self._subject(attempt_id)
        try:
            await create(self.broker, subject, claim.encode())
        except WrongLastSequence:
            return _is_of(claim, await last_message(self.broker, f"KV_{CLAIM_BUCKET}", subject))
        return True

    async def _update(self, attempt_id: str, updated: Claim) -> None:
        """Replace the stored claim, by its sequence. A claim that the broker has lost is stored again."""
        subject = self._subject(attempt_id)
        stored = await last_stored(self.broker, f"KV_{CLAIM_BUCKET}", subject)
        sequence, value = stored or (0, updated.encode())
        if not _is_of(updated, value):
            raise LeaseLost(
                "The claim of the attempt is purged or another worker's: the operator has ended the attempt."
            )
        await replace_last(self.broker, subject, updated.encode(), sequence)

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
