"""An agent with two waiting tasks, whose attempts end as a test says."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from cognitive_operator.api.names import AttemptKey, ObjectName
from cognitive_operator.api.wire import Completed, Failed, Mode
from cognitive_operator.errors import ConflictError
from cognitive_operator.plan.agent.model.circuit_breaker import OpenCircuit
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt, attempt_end
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.feedback import AgentFeedback
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from cognitive_operator.reconcile.task.waiting_status import WaitingStatus
from cognitive_operator.scheduling.dispatch_state import DispatchState
from cognitive_operator.scheduling.status_rate_limiter import StatusRateLimiter
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

NAME = ("team", "sre")
OTHER_UID = "33333333-3333-3333-3333-333333333333"


class Scene:
    """An agent with two waiting tasks, of which one has an attempt in flight if a test publishes it."""

    def __init__(self, mode: Mode = "Embedded", **spec: Any) -> None:
        self.index, self.clock = Index(), FakeClock(100.0)
        self.tasks, self.agents, self.published = list[str](), list[ObjectName](), list[str]()
        intake: Any = SimpleNamespace(enqueue=self.tasks.extend, enqueue_agent=self.agents.append)
        server: Any = SimpleNamespace(server_time=lambda: None)
        self.clocks = Clocks(self.clock, server)
        self.feedback = AgentFeedback(self.index, intake, self.clocks)
        self.index.upsert_agent(o.agent_body(execution={"mode": mode}, **spec))
        for uid, name in ((o.TASK_UID, "why"), (OTHER_UID, "why-too")):
            body = o.task_body()
            body["metadata"] |= {"uid": uid, "name": name}
            self.index.upsert_task(body, 0.0)
        self.index.complete()
        for uid in (o.TASK_UID, OTHER_UID):
            self.index.add_to_queue(uid, is_accepted=True)
        self.index.set_dispatch(self.agent, None, DispatchState(capacity=8))
        self.reconciler = self._new_reconciler(intake)

    def _new_reconciler(self, intake: Any) -> TaskReconciler:
        waiting = WaitingStatus(intake.enqueue, self.clock, StatusRateLimiter())
        steps: Any = SimpleNamespace(gates=self, requests=self, feedback=self.feedback, status=self, waiting=waiting)
        synced = asyncio.Event()
        synced.set()
        return TaskReconciler(steps, self.index, intake, self.clocks, synced)

    async def check(self, record: Any) -> None:
        """Gates are open."""

    async def publish(self, record: Any, task: Any, agent: Any, key: AttemptKey) -> bool:
        self.published.append(key.task_uid)
        return True

    async def write(self, *args: Any) -> bool:
        """Write nothing: the task has changed meanwhile."""
        return False

    @property
    def agent(self) -> AgentRecord:
        return self.index.agents[NAME]

    def end(
        self,
        response: Completed | Failed,
        since_s: float = 100.0,
        *,
        runtime_key: str | None = None,
        agent_uid: str = o.AGENT_UID,
    ) -> OpenCircuit | None:
        """Report the end of the first task's attempt, published at ``since_s``; return the circuit after it."""
        mode: Mode = self.agent.agent.spec.execution.wire_mode
        key = o.key()._replace(agent_uid=agent_uid)
        attempt = InFlightAttempt(key, mode, since_s, runtime_key=runtime_key)
        record = self.index.update_task(o.TASK_UID, attempt=attempt)
        assert record is not None
        end = attempt_end(key, response.model_copy(update={"mode": mode}), 7)
        self.feedback.report(record, end)
        self.index.update_task(o.TASK_UID, attempt=None)
        return self.agent.open_circuit


async def step(reconciler: TaskReconciler, uid: str) -> None:
    """Reconcile a task, whose status is not written: it has changed meanwhile."""
    with suppress(ConflictError):
        await reconciler.reconcile(uid)
