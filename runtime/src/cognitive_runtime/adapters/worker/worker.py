"""The worker: takes requests, executes each attempt at most once, and shows that it lives."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from cognitive_runtime.adapters.cancellation import cancel
from cognitive_runtime.adapters.worker.attempt_runner import AttemptDependencies, AttemptRunner, DeliveryOutcome
from cognitive_runtime.adapters.worker.lease import LeaseRenewer
from cognitive_runtime.adapters.worker.ports import IDelivery, ILeases, IRequestSource, ISecrets, WorkerState
from cognitive_runtime.adapters.worker.readiness import NotReady, ReadinessFacts, check_ready
from cognitive_runtime.adapters.worker.tracked_reasoner import TrackedReasoner
from cognitive_runtime.domain import AttemptOutcome, CredentialsNotMounted, ExecutionRequest, FailureResult

_LOGGER: Final = logging.getLogger(__name__)
END_GRACE_S: Final = 5.0
"""A reasoning that runs on for so long after its outcome holds the worker."""
ORPHANED_AFTER_S: Final = 60.0
"""The operator makes a missing consumer of a living agent anew within 30 s; without one there is no work to lose."""
_LOOK_S: Final = 0.5
_PUBLISH_RESERVE_S: Final = 0.8
"""Of a stopping worker's grace: for ending the attempts' reasoning and publishing their outcomes."""


@dataclass(frozen=True)
class WorkerDependencies:
    """What a worker is made of."""

    attempts: AttemptDependencies
    source: IRequestSource
    leases: ILeases
    reasoner: TrackedReasoner
    """What the attempts think with."""
    secrets: ISecrets
    concurrency: int
    required_secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkerStatus:
    """What the worker's renewer needs to know of it."""

    ready: bool
    draining: bool
    wedged: bool
    """It will never take requests again and must be replaced."""
    running: int


@dataclass
class Worker:
    """Executes the requests of one agent, up to ``concurrency`` at once on one event loop."""

    parts: WorkerDependencies
    _keeper: LeaseRenewer = field(init=False)
    _attempts: AttemptRunner = field(init=False)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _services: set[asyncio.Task[Any]] = field(default_factory=set)
    _draining: bool = False
    _stuck_attempt: str | None = None
    _crashed: str | None = None
    _refused_secret: str | None = None
    _was_ready: bool = True
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        parts = self.parts
        self._lease = LeaseRenewer(parts.leases, self._state, self._on_lease_lost, parts.attempts.clock.monotonic)
        self._attempts = AttemptRunner(parts.attempts, lambda: self._lease.is_held, self._on_outcome)

    async def start(self, *, pull: bool = True) -> None:
        """Begin to show that the worker lives and, unless told otherwise, to pull requests."""
        self.serve(self._lease.run())
        if pull:
            await self.parts.source.start()
            self.serve(self._intake())
            self.serve(self._watch_source())

    def serve(self, work: Coroutine[Any, Any, object]) -> None:
        """Run something beside the attempts for as long as the worker lives."""
        task = asyncio.create_task(work)
        self._services.add(task)
        task.add_done_callback(self._on_service_done)

    def status(self) -> WorkerStatus:
        """Return how the worker is."""
        return WorkerStatus(
            ready=self._why_not_ready() is None,
            draining=self._draining,
            wedged=self._stuck_attempt is not None or self._crashed is not None,
            running=len(self._tasks),
        )

    def submit(self, delivery: IDelivery) -> asyncio.Task[DeliveryOutcome]:
        """Execute the attempt that a delivery asks for, if it is this worker's to execute."""
        task = asyncio.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def stop_attempt(self, attempt_id: str, reason: str) -> None:
        """Stop an attempt on the operator's word, if it runs here."""
        self._attempts.stop(attempt_id, reason)

    def drain(self) -> None:
        """Take no more requests; finish what runs."""
        if not self._draining:
            _LOGGER.info("draining", extra={"event": "Draining"})
        self._draining = True
        self._note_change()

    async def wait_idle(self) -> None:
        """Return when no attempt runs any more, nor waits to be published."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self, grace_s: float) -> None:
        """Drain within a grace period, stop what does not finish in it, and end.

        What could not be published by then is on the disk, for the next worker.
        """
        self.drain()
        await self.parts.source.stop()
        await self._idle_within(grace_s - _PUBLISH_RESERVE_S)
        self._attempts.stop_for_shutdown()
        await self._idle_within(_PUBLISH_RESERVE_S)
        await cancel(*self._tasks, *self._services)
        await self.parts.leases.purge()

    async def _intake(self) -> None:
        await self._lease.wait_held()
        while not self._draining:
            self._note_readiness()
            slots = self.parts.concurrency - len(self._tasks)
            if slots <= 0 or not self._may_pull():
                await self._wait_change()
                continue
            delivery = await self.parts.source.next(slots)
            if delivery is not None:
                self.submit(delivery)
        await self.parts.source.stop()

    async def _watch_source(self) -> None:
        """Drain when the agent's consumer is gone for long: its agent was deleted while nobody could tell us."""
        monotonic = self.parts.attempts.clock.monotonic
        there_at = monotonic()
        while not self._draining:
            await asyncio.sleep(_LOOK_S)
            if self.parts.source.problem is None:
                there_at = monotonic()
            elif monotonic() - there_at > ORPHANED_AFTER_S:
                _LOGGER.error("the agent is gone", extra={"event": "AgentGone", "problem": self.parts.source.problem})
                self.drain()

    async def _handle(self, delivery: IDelivery) -> DeliveryOutcome:
        await self._lease.wait_held()
        return await self._attempts.handle(delivery)

    def _may_pull(self) -> bool:
        why_not = self._why_not_ready()
        return self._lease.is_held and (why_not is None or why_not.pulls)

    def _why_not_ready(self) -> NotReady | None:
        refused = self._refused_secret
        if refused is not None and not self.parts.secrets.missing([refused]):
            self._refused_secret = None
        return check_ready(
            ReadinessFacts(
                draining=self._draining,
                stuck_attempt=self._stuck_attempt,
                crashed=self._crashed,
                missing_secrets=tuple(self.parts.secrets.missing(self.parts.required_secrets)),
                refused_secret=self._refused_secret,
                source_problem=self.parts.source.problem,
            )
        )

    def _state(self) -> WorkerState:
        why_not = self._why_not_ready()
        return WorkerState(
            ready=why_not is None,
            capacity=self.parts.concurrency,
            running=self._attempts.running,
            reason=why_not.reason if why_not else None,
            message=why_not.message if why_not else None,
        )

    def _on_lease_lost(self) -> None:
        self._attempts.stop_for_lost_lease()

    def _on_outcome(self, request: ExecutionRequest, outcome: AttemptOutcome) -> None:
        refused = isinstance(outcome, FailureResult) and outcome.error_type == CredentialsNotMounted.__name__
        self._refused_secret = request.agent.llm.api_key_file if refused else None
        if self.parts.reasoner.holds(request.attempt_id):
            self.serve(self._watch_held(request.attempt_id))

    async def _watch_held(self, attempt_id: str) -> None:
        await asyncio.sleep(END_GRACE_S)
        if self.parts.reasoner.holds(attempt_id):
            _LOGGER.error("a stopped attempt does not end", extra={"event": "Wedged", "attempt": attempt_id})
            self._stuck_attempt = attempt_id
            self._note_change()

    def _note_readiness(self) -> None:
        is_ready = self._why_not_ready() is None
        if is_ready != self._was_ready:
            self._was_ready = is_ready
            self._lease.renew_now()

    def _note_change(self) -> None:
        self._note_readiness()
        self._changed.set()
        self.parts.source.wake()

    async def _wait_change(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _idle_within(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=max(0.0, seconds))

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._crash_of(task)
        self._note_change()

    def _on_service_done(self, task: asyncio.Task[Any]) -> None:
        self._services.discard(task)
        crash = self._crash_of(task)
        if crash is not None:
            self._crashed = crash
            self._note_change()

    def _crash_of(self, task: asyncio.Task[Any]) -> str | None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            return None
        _LOGGER.error("a part of the worker crashed", exc_info=error, extra={"event": "WorkerCrashed"})
        return type(error).__name__
