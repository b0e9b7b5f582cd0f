"""Leader election by a Lease. Without an election, this process is the leader while the API server answers."""

import asyncio
import logging
import math
from typing import Final, Protocol

from cognitive_operator.errors import CognitiveOperatorError, ConflictError
from cognitive_operator.plan.leader_election import (
    LeaseTiming,
    ObservedLeaderLease,
    acquired_spec,
    may_acquire,
    new_lease,
    observe_lease,
    released_spec,
)
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import ApiContact, Body, LeaderLeases

logger = logging.getLogger(__name__)
SILENCE_S: Final = 20.0
"""Time without an answer of the API server after which an operator stops acting."""
PING_AFTER_S: Final = 5.0
"""Time without an answer after which one is asked for."""
CHECK_EVERY_S: Final = 2.0


class LeaderElection(Protocol):
    """Election by which this process becomes the leader; only the leader acts."""

    async def check(self) -> bool:
        """Acquire or renew the leadership; return True while this process is the leader. Raises nothing.

        After a gap the answer is False once, also if the leadership can be regained: the engine ends, and a new one
        begins with a complete list. A process that was paused has such a gap, too.
        """

    @property
    def pause_s(self) -> float:
        """Seconds until the next check."""

    @property
    def cause(self) -> str:
        """The reason for the present state, for the log."""

    async def release(self) -> None:
        """Release the leadership, so that another operator takes over at once. Raises nothing."""


class NoElection:
    """No election (port ``LeaderElection``): this process is the leader while the API server answers.

    After a silence this process knows nothing of what other clients changed, so its view proves nothing.
    """

    def __init__(self, api: ApiContact, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self.cause = "the API server answers"
        self._is_leading = False

    @property
    def pause_s(self) -> float:
        """Seconds until the next check, which is at the latest when the silence is too long."""
        left_s = SILENCE_S - self._silence_s()
        return min(CHECK_EVERY_S, left_s) if left_s > 0 else CHECK_EVERY_S

    async def check(self) -> bool:
        """Return True if the API server has answered within ``SILENCE_S``; ask it if it was silent for a while."""
        has_gap = self._is_leading and self._silence_s() >= SILENCE_S
        if not has_gap and self._silence_s() >= PING_AFTER_S:
            await self._ping()
        self._is_leading = self._silence_s() < SILENCE_S
        answers, silent = "the API server answers", f"the API server has not answered for {SILENCE_S:g} s"
        self.cause = answers if self._is_leading else silent
        return self._is_leading

    async def release(self) -> None:
        """Do nothing: no other operator waits."""

    async def _ping(self) -> None:
        left_s = SILENCE_S - self._silence_s()
        try:
            async with asyncio.timeout(min(PING_AFTER_S, left_s) if left_s > 0 else PING_AFTER_S):
                await self._api.ping()
        except (TimeoutError, CognitiveOperatorError):
            return

    def _silence_s(self) -> float:
        return self._clock.monotonic() - self._api.answered_s


class LeaseElection:
    """Election by a Lease of ``coordination.k8s.io``, which this process acquires, renews and releases.

    It is the holder from the begin of a successful write for ``renew_deadline_s`` by its monotonic clock. Another
    candidate has seen that write at the earliest at that time, and waits longer.
    """

    def __init__(
        self, leases: LeaderLeases, clock: Clock, name: str, identity: str, timing: LeaseTiming | None = None
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._name = name
        self._identity = identity
        self._timing = timing or LeaseTiming()
        self._lease: ObservedLeaderLease | None = None
        self._renewed_s = -math.inf
        self._is_leading = False
        """The answer of the last check."""
        self._problem = ""

    @property
    def pause_s(self) -> float:
        """Seconds until the next check, which is at the latest at the deadline of a leader."""
        return min(self._timing.retry_s, self._left_s()) if self._is_holder() else self._timing.retry_s

    @property
    def cause(self) -> str:
        """The reason for the present state, for the log."""
        place = f"Lease {self._leases.namespace}/{self._name}"
        if self._is_holder():
            return f"{place} is held"
        if self._lease is not None and self._lease.holder_identity not in ("", self._identity):
            return f"{place} is held by {self._lease.holder_identity}"
        return f"{place} was not renewed for {self._timing.renew_deadline_s:g} s: {self._problem or 'no answer'}"

    async def check(self) -> bool:
        """Acquire or renew the Lease; return True while this process is its holder."""
        if self._is_leading and not self._is_holder():
            self._is_leading = False
            return False
        await self._try_acquire_or_renew()
        self._is_leading = self._is_holder()
        return self._is_leading

    async def _try_acquire_or_renew(self) -> None:
        try:
            async with asyncio.timeout(self._request_timeout_s()):
                await self._acquire_or_renew(self._clock.monotonic())
            self._log_problem("")
        except TimeoutError:
            self._log_problem("the API server does not answer")
        except CognitiveOperatorError as error:
            self._log_problem(str(error))

    async def release(self) -> None:
        """Write the Lease without a holder, if this process holds it."""
        if not self._is_holder() or self._lease is None:
            return
        self._renewed_s, self._is_leading = -math.inf, False
        spec = released_spec(self._lease.spec, self._clock.now())
        try:
            async with asyncio.timeout(self._timing.retry_s):
                await self._leases.replace({**self._lease.body, "spec": spec})
        except (TimeoutError, CognitiveOperatorError) as error:
            fields = {"lease": self._name, "cause": str(error) or "no answer"}
            logger.warning("the Lease is not released; another operator takes over when it expires", extra=fields)

    async def _acquire_or_renew(self, began_s: float) -> None:
        """Acquire or renew the Lease.

        Raises:
            ConflictError: Another candidate was faster.
        """
        if self._is_holder() and self._lease is not None:
            try:
                return await self._write(self._lease, began_s)
            except ConflictError:  # another candidate, or an earlier write of this process whose answer was lost
                pass
        body = await self._leases.get(self._name)
        if body is None:
            return await self._create(began_s)
        self._lease = observe_lease(self._lease, body, self._clock.monotonic())
        if may_acquire(self._lease, self._identity, self._clock.monotonic()):
            await self._write(self._lease, began_s)
        else:
            self._renewed_s = -math.inf

    async def _create(self, began_s: float) -> None:
        spec = acquired_spec({}, self._identity, self._clock.now(), self._timing.duration_s)
        self._record_renewal(await self._leases.create(new_lease(self._leases.namespace, self._name, spec)), began_s)

    async def _write(self, lease: ObservedLeaderLease, began_s: float) -> None:
        spec = acquired_spec(lease.spec, self._identity, self._clock.now(), self._timing.duration_s)
        self._record_renewal(await self._leases.replace({**lease.body, "spec": spec}), began_s)

    def _record_renewal(self, body: Body, began_s: float) -> None:
        self._lease = ObservedLeaderLease(body, began_s)
        self._renewed_s = began_s

    def _left_s(self) -> float:
        return self._renewed_s + self._timing.renew_deadline_s - self._clock.monotonic()

    def _is_holder(self) -> bool:
        return self._left_s() > 0

    def _request_timeout_s(self) -> float:
        """Return the deadline of the next try: a leader waits for no answer beyond its own deadline."""
        return min(self._timing.request_s, self._left_s()) if self._is_holder() else self._timing.request_s

    def _log_problem(self, problem: str) -> None:
        if problem and problem != self._problem:
            logger.warning("the Lease is not renewed", extra={"lease": self._name, "cause": problem})
        self._problem = problem
