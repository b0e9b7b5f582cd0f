"""An API server with one schedule, and lives of an operator that may die at each write."""

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.names import SCHEDULE_KIND, SCHEDULE_PLURAL
from cognitive_operator.errors import ConflictError, ForbiddenError, ObjectNotFoundError
from cognitive_operator.ports.kube import Identity, KubeEvent, ObjectRef
from cognitive_operator.reconcile.schedule.reconciler import SchedulePorts, ScheduleReconciler
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.status_writer import StatusWriter
from support.builders.schedules import MADE, NAME, UID, schedule_body


class Crash(BaseException):
    """The operator dies."""


class Cluster:
    """An API server with one schedule and its tasks, which outlives operators."""

    def __init__(self, **spec: Any) -> None:
        self.body = schedule_body(**spec)
        self.tasks: dict[str, dict[str, Any]] = {}
        self.created: list[str] = []
        self.writes = 0
        self.version = 100
        self.notes: list[KubeEvent] = []
        self.time = MADE
        self.die_at: tuple[int, bool] | None = None
        self.refusal: Exception | None = None
        self.scopes: Sequence[str] = ("",)
        self.refused: list[str] = []
        self.listed: list[str] = []
        self.resources = self
        self.statuses = SimpleNamespace(patch=self._patch_status)

    def now(self) -> str:
        return self.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def monotonic(self) -> float:
        return self.time.timestamp()

    def emit(self, about: ObjectRef, event: KubeEvent) -> None:
        assert (about.kind, about.uid) == ("CognitiveSchedule", UID)
        self.notes.append(event)

    def _written(self, *, is_before: bool) -> None:
        self.writes += is_before
        self.version += 1
        if self.die_at == (self.writes, is_before):
            self.die_at = None
            raise Crash

    async def create(self, plural: str, body: dict[str, Any]) -> dict[str, Any]:
        assert plural == "cognitivetasks"
        self._written(is_before=True)
        if self.refusal is not None:
            raise self.refusal
        name = body["metadata"]["name"]
        if name in self.tasks:
            raise ConflictError(name)
        meta = {
            "uid": f"uid-{name}-{self.version}",
            "resourceVersion": str(self.version),
            "creationTimestamp": self.now(),
        }
        self.tasks[name] = copy.deepcopy(body) | {"metadata": body["metadata"] | meta}
        self.created.append(name)
        self._written(is_before=False)
        return self.tasks[name]

    async def get(self, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        return self.tasks.get(name) if plural == "cognitivetasks" else self.body

    async def list(self, plural: str, scope: str) -> AsyncIterator[dict[str, Any]]:
        assert plural == SCHEDULE_PLURAL
        self.listed.append(scope)
        if scope in self.refused:
            raise ForbiddenError("403")
        if scope in ("", NAME[0]):
            yield self.body

    async def delete(self, plural: str, namespace: str, name: str, identity: Identity) -> None:
        self._written(is_before=True)
        meta = self.tasks[name]["metadata"] if name in self.tasks else None
        if meta is None:
            raise ObjectNotFoundError(name)
        if (meta["uid"], meta["resourceVersion"]) != (identity.uid, identity.resource_version):
            raise ConflictError(name)
        del self.tasks[name]
        self._written(is_before=False)

    async def _patch_status(self, plural: str, body: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        self._written(is_before=True)
        if body["metadata"]["resourceVersion"] != self.body["metadata"]["resourceVersion"]:
            raise ConflictError("schedule")
        meta = self.body["metadata"] | {"resourceVersion": str(self.version)}
        self.body = self.body | {"metadata": meta, "status": merge_patch(self.body["status"], status)}
        self._written(is_before=False)
        return self.body

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["status"]
        return found

    def finish(self, name: str, phase: str = "Succeeded") -> None:
        self.version += 1
        status: dict[str, Any] = {"phase": phase, "reason": phase, "finishedAt": self.now()}
        status |= {"usage": {"totalTokens": 100}, "energy": {"delta": 0.25}}
        task = self.tasks[name]
        self.tasks[name] = task | {
            "status": status,
            "metadata": task["metadata"] | {"resourceVersion": str(self.version)},
        }

    def active(self) -> Sequence[str]:
        return [name for name, task in self.tasks.items() if "status" not in task]


class Operator:
    """One life of the operator."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.index = cluster, Index()
        self.namespaces = WatchedNamespaces([scope for scope in cluster.scopes if scope], lambda *_: None)
        synced = asyncio.Event()
        synced.set()
        outside: Any = cluster
        writer = StatusWriter(outside, outside, SCHEDULE_KIND, SCHEDULE_PLURAL)
        ports = SchedulePorts(outside, writer, outside, self.namespaces, self.index.unlisted)
        self.schedules = ScheduleReconciler(ports, self.index.runs, self._upsert_task, synced, timing=Timing())
        self.schedules._queue.add = lambda key: None  # type: ignore[method-assign]
        self.watch()

    def _upsert_task(self, body: dict[str, Any]) -> None:
        self.index.upsert_task(body, 0.0)

    def watch(self) -> None:
        """Bring this process up to date."""
        there = {task["metadata"]["uid"]: task for task in self.cluster.tasks.values()}
        for uid in set(self.index.tasks) - set(there):
            self.index.remove_task(uid)
        for task in there.values():
            self.index.upsert_task(task, 0.0)
        self.schedules.upsert(self.cluster.body)

    async def look(self) -> float | None:
        self.watch()
        return await self.schedules.reconcile(NAME)
