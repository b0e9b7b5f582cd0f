"""One agent with its reconciler, whose steps do what a test says and record their calls."""

from dataclasses import dataclass, field
from typing import Any

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.counters import Counters
from cognitive_operator.api.names import AGENT_FINALIZER
from cognitive_operator.api.wire import Lease
from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.errors import ObjectInvalidError
from cognitive_operator.plan.agent.conditions import TOKENS_UNLIMITED, ObservedExecutor
from cognitive_operator.plan.agent.features import RUNTIME_CURRENT
from cognitive_operator.plan.agent.ray.ray_cluster import ObservedRay
from cognitive_operator.ports.kube import Body, KubeEvent
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.agent.reconciler import AgentReconciler, AgentSteps
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

NAME = ("team", "sre")
TIMING = AgentTiming()
BROKER = Condition.true(AgentCondition.READY, Reason.AVAILABLE, "The broker answers.")
NO_BROKER = Condition.false(AgentCondition.READY, Reason.BROKER_UNREACHABLE, "no answer")
RAY = ObservedRay(BROKER.with_type(AgentCondition.RAY_READY), RayTarget("http://ray:8265"))
MODEL = BROKER.with_type(AgentCondition.MODEL_READY)


def lease(submission_id: str = "ca-1") -> Lease:
    """Return the lease of a ready worker."""
    who = {"worker": "w", "agent_uid": o.AGENT_UID, "submission_id": submission_id, "mode": "Embedded"}
    return Lease.model_validate(
        who | {"ready": True, "capacity": 8, "runtime_version": "1", "started_at": o.NOW, "renewed_at": o.NOW}
    )


@dataclass
class Steps:
    """Every step of the reconciliation; stores what a test says that it observes, and records the calls."""

    index: Index
    broker_condition: Condition = BROKER
    executor_found: ObservedExecutor | Exception = field(
        default_factory=lambda: ObservedExecutor("ca-1", None, (lease(),))
    )
    counters: Counters | Exception = field(default_factory=lambda: Counters(tasks_processed=3))
    runtime: Condition = RUNTIME_CURRENT
    is_runtime_known: bool = True
    learnt: tuple[LearntModel, ...] = ()
    calls: list[str] = field(default_factory=list)
    written: list[Body] = field(default_factory=list)
    events: list[KubeEvent] = field(default_factory=list)
    is_gone: bool = False
    refused_field: str | None = None
    """Field of the status with which the API server refuses it."""

    async def ensure_finalizer(self, record: AgentRecord) -> None:
        self.calls.append("finalizer")

    async def finalize(self, record: AgentRecord, deleting_since_s: float) -> float | None:
        self.calls.append(f"finalize since {deleting_since_s:g}")
        return 2.0

    async def reconcile(self, record: AgentRecord, now_s: float | None = None) -> Condition:
        if now_s is not None:
            self.calls.append("ray")
            self.index.update_agent(record, ray=RAY, ray_at_s=now_s)
        else:
            self.index.update_agent(record, model=MODEL)
        return self.broker_condition

    async def ensure(self, record: AgentRecord) -> ObservedExecutor:
        self.calls.append("executor")
        if isinstance(self.executor_found, Exception):
            raise self.executor_found
        return self.executor_found

    async def drain_outdated(self, record: AgentRecord, current: str | None) -> None:
        self.calls.append(f"drain all but {current}")

    async def retire(self, record: AgentRecord) -> None:
        self.calls.append("retire")

    async def count(self, record: AgentRecord) -> Counters:
        self.calls.append("count")
        if isinstance(self.counters, Exception):
            raise self.counters
        return self.counters

    def check(self, record: AgentRecord, executor: ObservedExecutor) -> Condition:
        return self.runtime

    def update(self, record: AgentRecord) -> AgentRecord:
        return record

    def is_known(self, record: AgentRecord) -> bool:
        return self.is_runtime_known

    def observe(self, record: AgentRecord) -> tuple[LearntModel, ...]:
        return self.learnt

    def check_tokens(self, record: AgentRecord, counters: Counters) -> Condition:
        return TOKENS_UNLIMITED

    async def write_status(self, record: AgentRecord, patch: Body) -> bool:
        if self.refused_field in patch:
            raise ObjectInvalidError(f"PATCH: 422 {self.refused_field} is invalid")
        self.written.append(patch)
        body, meta = record.body, record.body["metadata"]
        version = str(record.version + 1)
        status = (body.get("status") or {}) | {name: value for name, value in patch.items() if value is not None}
        self.index.upsert_agent(body | {"metadata": meta | {"resourceVersion": version}, "status": status})
        return not self.is_gone

    def emit_event(self, record: AgentRecord, event: KubeEvent) -> None:
        self.events.append(event)


class Scene:
    """One agent and its reconciler."""

    def __init__(self, **spec: Any) -> None:
        self.index = Index()
        self.index.is_settled = True
        self.steps, self.clock = Steps(self.index), FakeClock(1000.0)
        self.enqueued: list[str] = []
        body = o.agent_body(**spec)
        body["metadata"]["finalizers"] = [AGENT_FINALIZER]
        self.index.upsert_agent(body)
        port: Any = self.steps
        steps = AgentSteps(*[port] * 12)
        self.reconciler = AgentReconciler(self.index, steps, self.enqueued.append, self.clock, TIMING)

    @property
    def record(self) -> AgentRecord:
        return self.index.agents[NAME]

    async def reconcile(self, after_s: float = 0.0) -> float | None:
        self.clock.advance(after_s)
        self.steps.calls.clear()
        return await self.reconciler.reconcile(NAME)

    def ready(self) -> tuple[str, str]:
        conditions = self.steps.written[-1]["conditions"]
        return next((c["status"], c["reason"]) for c in conditions if c["type"] == "Ready")
