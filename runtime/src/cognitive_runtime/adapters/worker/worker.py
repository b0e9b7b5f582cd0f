"""Worker that pulls requests, executes each attempt at most once and keeps a lease."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.worker.attempt_runner import AttemptDependencies, AttemptRunner, DeliveryOutcome
from cognitive_runtime.adapters.worker.lease import LeaseRenewer, LeaseTiming
from cognitive_runtime.adapters.worker.ports import (
    BrokerProblem,
    IApplicationWatch,
    IDelivery,
    ILeases,
    IRequestSource,
    ISecrets,
    WorkerSpec,
    WorkerState,
)
from cognitive_runtime.adapters.worker.readiness import NotReady, ReadinessFacts, check_ready
from cognitive_runtime.adapters.worker.tracked_reasoner import TrackedReasoner
from cognitive_runtime.domain import AttemptOutcome, CredentialsNotMounted, ExecutionRequest, FailureResult

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerTiming:
    """Time limits of a worker, in seconds."""

    stuck_after_s: float = 5.0
    """A reasoning that still runs this long after its outcome blocks the worker, which must be replaced."""
    orphaned_after_s: float = 60.0
    """A worker drains when its consumer is missing for this long.

    The operator recreates the missing consumer of an existing agent within 30 s. Without a consumer there is no work.
    """
    check_interval_s: float = 0.5
    publish_reserve_s: float = 0.8
    """Part of a stopping worker's grace period that is reserved for ending attempts and publishing their outcomes."""
    lease: LeaseTiming = field(default_factory=LeaseTiming)


@dataclass(frozen=True)
class WorkerDependencies:
    """Dependencies of a worker."""

    attempts: AttemptDependencies
    source: IRequestSource
    leases: ILeases
    reasoner: TrackedReasoner
    """The reasoner of ``attempts``."""
    secrets: ISecrets
    is_loaded: Callable[[], bool] = lambda: True
    """Returns False until the reasoner is loaded."""
    application: IApplicationWatch | None = None
    """None: the agent has no application on Ray Serve."""


@dataclass(frozen=True)
class WorkerStatus:
    """Status of a worker for the pool that supervises it."""

    ready: bool
    draining: bool
    wedged: bool
    """True if the worker takes no more requests and must be replaced."""
    running: int
    """Number of running attempts."""
    given_up: BrokerProblem | None = None
    """Set if the worker could not connect to the broker in the time after its start."""


class Worker:
    """Executes the requests of one agent, up to ``spec.concurrency`` at once, on one event loop."""

    def __init__(self, spec: WorkerSpec, dependencies: WorkerDependencies, timing: WorkerTiming | None = None) -> None:
        self.spec = spec
        self._parts = dependencies
        self._timing = timing or WorkerTiming()
        self._monotonic = dependencies.attempts.clock.monotonic
        lease = self._timing.lease
        self._lease = LeaseRenewer(dependencies.leases, self._state, self._on_lease_lost, self._monotonic, lease)
        self._attempts = AttemptRunner(dependencies.attempts, lambda: self._lease.is_held, self._on_outcome, lease)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._services: set[asyncio.Task[Any]] = set()
        self._draining = asyncio.Event()
        self._is_used = False
        self._stuck_attempt: str | None = None
        self._crashed: str | None = None
        self._refused_secret: str | None = None
        self._is_ready_in_lease = True
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Start to renew the lease and, if the worker pulls, to pull requests."""
        self.run_service(self._lease.run())
        if self._parts.application is not None:
            self.run_service(self._parts.application.run(self.notify_change))
        if self.spec.pulls:
            await self._parts.source.start()
            self.run_service(self._intake())
            self.run_service(self._monitor_source())

    def run_service(self, service: Coroutine[Any, Any, object]) -> None:
        """Run a background coroutine until the worker stops. Its failure marks the worker as crashed."""
        task = asyncio.create_task(service)
        self._services.add(task)
        task.add_done_callback(self._on_service_done)

    def status(self) -> WorkerStatus:
        """Return the current status."""
        return WorkerStatus(
            ready=self._why_not_ready() is None,
            draining=self._draining.is_set(),
            wedged=self._stuck_attempt is not None or self._crashed is not None,
            running=len(self._tasks),
        )

    def submit(self, delivery: IDelivery) -> asyncio.Task[DeliveryOutcome]:
        """Execute the requested attempt in the background, unless it is claimed elsewhere or for another mode."""
        task = asyncio.create_task(self._handle(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def stop_attempt(self, attempt_id: str, reason: str) -> None:
        """Stop an attempt on the operator's request; ignored if it does not run here."""
        self._attempts.stop(attempt_id, reason)

    def begin_drain(self) -> None:
        """Take no more requests; running attempts continue."""
        if not self._draining.is_set():
            _LOGGER.info("draining", extra={"event": "Draining"})
        self._draining.set()
        self.notify_change()

    @property
    def is_used(self) -> bool:
        """True once a slot has executed its attempt, unless it drained before the attempt's end."""
        return self._is_used

    async def wait_drained(self) -> None:
        """Wait until the worker takes no more requests and its attempts have ended."""
        await self._draining.wait()
        await self.wait_idle()

    async def drain(self) -> None:
        """Take no more requests and wait for the running attempts."""
        self.begin_drain()
        await self.wait_idle()

    async def wait_idle(self) -> None:
        """Wait until every attempt has ended and its outcome is published."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self, grace_s: float) -> None:
        """Drain within a grace period, stop the remaining attempts and end.

        Outcomes that could not be published by then are in the spool, for the next worker.
        """
        self.begin_drain()
        await self._parts.source.stop()
        await self._idle_within(grace_s - self._timing.publish_reserve_s)
        self._attempts.stop_for_shutdown()
        await self._idle_within(self._timing.publish_reserve_s)
        await cancel(*self._tasks, *self._services)
        await self._parts.leases.purge()

    async def _intake(self) -> None:
        await self._lease.wait_held()
        while not self._draining.is_set():
            self._publish_readiness()
            slots = self.spec.concurrency - len(self._tasks)
            if slots <= 0 or not self._may_pull():
                await self._wait_change()
                continue
            delivery = await self._parts.source.next(slots)
            if delivery is not None:
                self.submit(delivery)
        await self._parts.source.stop()

    async def _monitor_source(self) -> None:
        """Drain when the consumer is missing for long: the agent was deleted and no drain message arrived."""
        seen_at = self._monotonic()
        while not self._draining.is_set():
            await asyncio.sleep(self._timing.check_interval_s)
            problem = self._parts.source.problem
            if problem is None:
                seen_at = self._monotonic()
            elif self._monotonic() - seen_at > self._timing.orphaned_after_s:
                _LOGGER.error(
                    "agent deleted: its consumer is missing", extra={"event": "AgentGone", "problem": problem}
                )
                self.begin_drain()

    async def _handle(self, delivery: IDelivery) -> DeliveryOutcome:
        await self._lease.wait_held()
        outcome = await self._attempts.handle(delivery)
        if self.spec.is_slot and outcome is DeliveryOutcome.PUBLISHED and not self._draining.is_set():
            self._is_used = True
            self.begin_drain()
        return outcome

    def _may_pull(self) -> bool:
        why_not = self._why_not_ready()
        return self._lease.is_held and (why_not is None or why_not.pulls)

    def _why_not_ready(self) -> NotReady | None:
        secrets, refused, application = self._parts.secrets, self._refused_secret, self._parts.application
        if refused is not None and not secrets.missing([refused]):
            self._refused_secret = None
        return check_ready(
            ReadinessFacts(
                draining=self._draining.is_set(),
                stuck_attempt=self._stuck_attempt,
                crashed=self._crashed,
                missing_secrets=tuple(secrets.missing(self.spec.required_secrets)),
                refused_secret=self._refused_secret,
                loading=not self._parts.is_loaded(),
                source_problem=self._parts.source.problem,
                application_problem=application.problem if application is not None else None,
            )
        )

    def _state(self) -> WorkerState:
        why_not = self._why_not_ready()
        self._is_ready_in_lease = why_not is None
        return WorkerState(
            ready=why_not is None,
            capacity=self.spec.concurrency,
            running=self._attempts.running,
            reason=why_not.reason if why_not else None,
            message=why_not.message if why_not else None,
            learnt=self._parts.reasoner.learnt(),
        )

    def _on_lease_lost(self) -> None:
        self._attempts.stop_for_lost_lease()

    def _on_outcome(self, request: ExecutionRequest, outcome: AttemptOutcome) -> None:
        refused = isinstance(outcome, FailureResult) and outcome.error_type == CredentialsNotMounted.__name__
        self._refused_secret = request.agent.llm.api_key_file if refused else None
        if self._parts.reasoner.is_running(request.attempt_id):
            self.run_service(self._monitor_ended_attempt(request.attempt_id))

    async def _monitor_ended_attempt(self, attempt_id: str) -> None:
        await asyncio.sleep(self._timing.stuck_after_s)
        if self._parts.reasoner.is_running(attempt_id):
            _LOGGER.error("stopped attempt still runs", extra={"event": "Wedged", "attempt": attempt_id})
            self._stuck_attempt = attempt_id
            self.notify_change()

    def _publish_readiness(self) -> None:
        if (self._why_not_ready() is None) != self._is_ready_in_lease:
            self._lease.renew_now()

    def notify_change(self) -> None:
        """Publish the worker's readiness if it has changed, and pull requests if it may."""
        self._publish_readiness()
        self._changed.set()
        self._parts.source.wake()

    async def _wait_change(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(self._timing.check_interval_s):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _idle_within(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=max(0.0, seconds))

    def _on_task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        _crash_of(task)
        self.notify_change()

    def _on_service_done(self, task: asyncio.Task[Any]) -> None:
        self._services.discard(task)
        crash = _crash_of(task)
        if crash is not None:
            self._crashed = crash
            self.notify_change()


def _crash_of(task: asyncio.Task[Any]) -> str | None:
    """Log the error that ended a task and return its class, or None if there was no error."""
    error = None if task.cancelled() else task.exception()
    if error is None:
        return None
    _LOGGER.error("a part of the worker crashed", exc_info=error, extra={"event": "WorkerCrashed"})
    return type(error).__name__
