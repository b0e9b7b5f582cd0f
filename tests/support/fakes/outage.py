"""Tasks of one agent under a model that fails for a while, in simulated time: real plans, queue and feedback."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from cognitive_operator.api.conditions import Condition, Reason, TaskCondition
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.wire import Completed, Failed
from cognitive_operator.plan.attempt.in_flight import attempt_end
from cognitive_operator.plan.task import TaskPlan
from cognitive_operator.reconcile.agent.reconciler import renew_trials
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import PendingResponse, TaskRecord
from cognitive_operator.reconcile.task.feedback import AgentFeedback
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from cognitive_operator.reconcile.task.responses import ResponseSettler
from cognitive_operator.reconcile.task.side_effects import SideEffects
from cognitive_operator.scheduling.dispatch_state import DispatchState
from support.builders import operator_objects as o
from support.fakes.broker import FakeClaims
from support.fakes.clock import FakeClock

NAME = ("team", "sre")
STEP_S = 1.0
OPEN_CIRCUIT = Condition.false(TaskCondition.DISPATCHED, Reason.AGENT_NOT_READY, "the circuit is open")
Answer = Callable[[str, float], Completed | Failed]
"""The response to an attempt of the task with this name that ends at this time."""


class Outage:
    """Starts tasks and answers their attempts after ``call_s`` simulated seconds."""

    def __init__(self, answer: Answer, *, call_s: float = 1.0, concurrency: int = 8) -> None:
        self.index, self.clock = Index(), FakeClock(0.0)
        self.calls = Counter[str]()
        """Attempts by the name of their task."""
        self.open_s = list[float]()
        """Times at which the circuit was seen to open."""
        self._answer, self._call_s = answer, call_s
        self._due = dict[str, float]()
        self._at_s = dict[str, float]()
        self._is_open = False
        self._versions = 100
        server: Any = SimpleNamespace(server_time=lambda: None)
        intake: Any = SimpleNamespace(enqueue=self._enqueue, enqueue_agent=lambda name: None)
        clocks = Clocks(self.clock, server)
        metrics: Any = SimpleNamespace(count=lambda *args, **labels: None)
        self._feedback = AgentFeedback(self.index, intake, clocks)
        settler = ResponseSettler(self.index, metrics)
        steps: Any = SimpleNamespace(
            gates=self, attempts=self, requests=self, status=self, telemetry=self, responses=settler
        )
        steps.feedback = self._feedback
        steps.side_effects = SideEffects(FakeClaims())
        steps.waiting = SimpleNamespace(known=set(), write=self._write_waiting)
        synced = asyncio.Event()
        synced.set()
        self._reconciler = TaskReconciler(steps, self.index, intake, clocks, synced)
        self.index.upsert_agent(o.agent_body(queue={"maxConcurrentTasks": concurrency}))
        self.index.complete()
        self.index.set_dispatch(self.agent, None, DispatchState(capacity=concurrency))

    @staticmethod
    async def _write_waiting(_: TaskRecord, plan: TaskPlan, write: Callable[[], Awaitable[None]]) -> float | None:
        """Write the status of a waiting task at once."""
        await write()
        return plan.recheck_s

    @property
    def agent(self) -> AgentRecord:
        """The agent's record."""
        return self.index.agents[NAME]

    def add(self, *names: str, **spec: Any) -> None:
        """Create tasks, the first one first."""
        for name in names:
            body = o.task_body(**spec)
            self._versions += 1
            body["metadata"] |= {"uid": name, "name": name, "resourceVersion": str(self._versions)}
            self.index.upsert_task(body, self.clock.monotonic_s)
            self.index.add_to_queue(name, is_accepted=True)
            self._enqueue([name])

    async def run(self, until_s: float) -> None:
        """Let simulated time pass."""
        while self.clock.monotonic_s < until_s:
            self._open_or_close()
            self._end_attempts()
            while due := {uid for uid, at_s in self._at_s.items() if at_s <= self.clock.monotonic_s}:
                for uid in sorted(due):
                    recheck_s = await self._reconciler.reconcile(uid)
                    self._at_s[uid] = self.clock.monotonic_s + (float("inf") if recheck_s is None else recheck_s)
            self.clock.advance(STEP_S)

    def phases(self) -> dict[str, str | None]:
        """Return the phase of each task by its name."""
        return {uid: record.phase for uid, record in self.index.tasks.items()}

    async def check(self, record: Any) -> None:
        """Every gate is open."""

    async def advance(self, uid: str) -> None:
        """An attempt without a response runs on."""

    async def publish(self, record: Any, task: Any, agent: Any, key: AttemptKey) -> bool:
        """Note when the attempt ends."""
        self.calls[key.task_uid] += 1
        self._due[key.task_uid] = self.clock.monotonic_s + self._call_s
        return True

    async def write(self, record: Any, body: Any, plan: Any, end: Any) -> bool:
        """Store the task with its new status."""
        self._versions += 1
        meta = body["metadata"] | {"resourceVersion": str(self._versions)}
        status = merge_patch(body.get("status") or {}, plan.patch)
        self.index.upsert_task(body | {"metadata": meta, "status": status}, self.clock.monotonic_s)
        self.index.update_task(record.uid, written_s=self.clock.monotonic_s)
        return True

    def report(self, *args: Any) -> None:
        """Measure nothing."""

    def _open_or_close(self) -> None:
        """Do what the agent's reconciliation does with its queue."""
        agent, queue, now_s = self.agent, self.index.queue_of(NAME), self.clock.monotonic_s
        was_open, self._is_open = self._is_open, agent.open_circuit is not None
        is_trial = agent.open_circuit is not None and agent.open_circuit.is_due(now_s)
        state = replace(queue.dispatch, is_trial=is_trial)
        self.index.set_dispatch(agent, OPEN_CIRCUIT if agent.open_circuit is not None else None, state)
        if self._is_open and not was_open:
            self.open_s.append(now_s)
        if was_open != self._is_open or (is_trial and renew_trials(self.index, agent)):
            self._enqueue(self.index.tasks)
        self._enqueue(queue.startable())

    def _enqueue(self, uids: Iterable[str]) -> None:
        self._at_s |= dict.fromkeys(uids, self.clock.monotonic_s)

    def _end_attempts(self) -> None:
        for uid in [uid for uid, due_s in self._due.items() if due_s <= self.clock.monotonic_s]:
            del self._due[uid]
            attempt = self.index.tasks[uid].attempt
            assert attempt is not None
            end = attempt_end(attempt.key, self._answer(uid, self.clock.monotonic_s), self._versions)
            self.index.update_task(uid, pending_responses=(PendingResponse(end, None),))
            self._enqueue([uid])
