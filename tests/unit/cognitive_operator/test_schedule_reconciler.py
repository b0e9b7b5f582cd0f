"""Runs start when they are due, once each, whatever stops the operator and whatever its clock says."""

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.names import SCHEDULE_KIND, SCHEDULE_PLURAL
from cognitive_operator.api.schedule_run import ScheduleRun
from cognitive_operator.api.schedules import Schedule
from cognitive_operator.errors import (
    ApiUnavailableError,
    ConflictError,
    ForbiddenError,
    ObjectInvalidError,
    ObjectNotFoundError,
)
from cognitive_operator.plan.schedule import LOOK_AGAIN_S, plan_schedule, surplus
from cognitive_operator.ports.kube import Identity, KubeEvent, ObjectRef
from cognitive_operator.reconcile.schedule.reconciler import SchedulePorts, ScheduleReconciler
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.status_writer import StatusWriter

MADE = datetime(2026, 11, 21, 6, 0, 10, tzinfo=UTC)
NAME = ("team", "scan")
UID = "uid-scan"


def schedule_body(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a schedule of every ten minutes, made at MADE."""
    template = {
        "metadata": {"labels": {"team": "sre"}},
        "spec": {"agentRef": {"name": "sre"}, "type": "T", "input": {}},
    }
    meta = {"name": "scan", "namespace": "team", "uid": UID, "generation": 1, "resourceVersion": "1"}
    meta["creationTimestamp"] = MADE.isoformat()
    base = {"schedule": "*/10 * * * *", "taskTemplate": template}
    return {"metadata": meta, "spec": base | spec, "status": status or {}}


def schedule(last: datetime | None = None, **spec: Any) -> Schedule:
    return Schedule.model_validate(schedule_body({"lastScheduleTime": last.isoformat()} if last else {}, **spec))


def at(clock: str, *, day: int = 21) -> datetime:
    return datetime.fromisoformat(f"2026-11-{day}T{clock}+00:00")


def run(scheduled: datetime, phase: str | None = None) -> ScheduleRun:
    minutes = int(scheduled.timestamp()) // 60
    return ScheduleRun(f"uid-{minutes}", f"scan-{minutes}", "1", scheduled, phase)


@pytest.mark.parametrize(
    ("last", "now", "spec", "due"),
    [
        (None, at("06:09:59"), {}, None),
        (None, at("06:10:00"), {}, at("06:10")),
        (at("06:10"), at("06:15"), {}, None),
        (at("06:10"), at("06:20:01"), {}, at("06:20")),
        (at("06:10"), at("09:45"), {}, at("09:40")),
        (at("06:10"), at("09:45"), {"startingDeadlineSeconds": 301}, at("09:40")),
        (at("06:10"), at("09:45"), {"startingDeadlineSeconds": 299}, None),
        (at("06:10"), at("06:20:01"), {"suspend": True}, None),
        (at("06:10"), at("06:20:01"), {"timeZone": "Mars/Olympus"}, None),
        (at("07:10"), at("06:20:01"), {}, None),  # the clock was set back by an hour
        (at("06:10"), at("07:10:01"), {}, at("07:10")),  # or forward
    ],
)
def test_at_most_the_last_missed_run_is_due(
    last: datetime | None, now: datetime, spec: dict[str, Any], due: datetime | None
) -> None:
    assert plan_schedule(schedule(last, **spec), [], now).due == due


def test_after_a_clock_that_was_set_back_the_next_run_is_a_new_one() -> None:
    plan = plan_schedule(schedule(at("07:10")), [], at("06:20:01"))
    assert plan.next == at("07:20")
    assert plan.recheck_s == LOOK_AGAIN_S, "a jump of the clock is noticed by looking again"


@pytest.mark.parametrize(
    ("policy", "due", "blocked", "replaced"),
    [("Allow", True, False, 0), ("Forbid", False, True, 0), ("Replace", True, False, 2)],
)
def test_what_becomes_of_a_run_while_others_are_active(policy: str, due: bool, blocked: bool, replaced: int) -> None:
    active = [run(at("06:10")), run(at("06:20"), "Running")]
    plan = plan_schedule(
        schedule(at("06:20"), concurrencyPolicy=policy), [*active, run(at("06:00"), "Failed")], at("06:30:01")
    )
    assert (plan.due is not None, plan.blocked is not None, len(plan.replaced)) == (due, blocked, replaced)


@pytest.mark.parametrize("policy", ["Forbid", "Replace"])
def test_a_run_that_was_started_before_a_crash_neither_blocks_nor_replaces_itself(policy: str) -> None:
    plan = plan_schedule(schedule(at("06:10"), concurrencyPolicy=policy), [run(at("06:20"), "Running")], at("06:20:05"))
    assert (plan.due, plan.blocked, plan.replaced) == (at("06:20"), None, ())


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"suspend": True}, "Suspended"),
        ({"schedule": "61 * * * *"}, "InvalidSchedule"),
        ({"timeZone": "Mars/Olympus"}, "UnknownTimeZone"),
    ],
)
def test_why_no_run_starts_is_told(spec: dict[str, Any], reason: str) -> None:
    plan = plan_schedule(schedule(**spec), [], at("06:10"))
    assert (plan.condition.status, plan.condition.reason, plan.next) == ("False", reason, None)


def test_the_oldest_finished_runs_beyond_the_limits_are_surplus() -> None:
    phases = ["Succeeded", "Running", "Failed", "Succeeded", "Failed", None, "Succeeded"]
    runs = [run(at(f"06:{50 - 10 * n:02}") if n < 6 else at("05:00"), phase) for n, phase in enumerate(phases)]
    found = surplus(schedule(successfulHistoryLimit=2, failedHistoryLimit=1), runs)
    assert [each.scheduled for each in found] == [at("05:00"), at("06:10")]
    assert len(surplus(schedule(successfulHistoryLimit=0, failedHistoryLimit=0), runs)) == 5


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


async def test_a_run_is_a_task_of_the_schedule_named_after_its_time() -> None:
    cluster = Cluster(timeZone="Europe/Berlin")
    operator = Operator(cluster)
    await operator.look()
    assert cluster.status["nextScheduleTime"] == "2026-11-21T06:10:00Z"
    cluster.time = at("06:10:02")
    await operator.look()
    (name,) = cluster.created
    assert name == f"scan-{int(at('06:10').timestamp()) // 60}"
    meta = cluster.tasks[name]["metadata"]
    assert meta["labels"] == {"team": "sre", "cognitive.seedcore.io/schedule": "scan"}
    assert meta["annotations"] == {"cognitive.seedcore.io/scheduled-timestamp": "2026-11-21T06:10:00Z"}
    assert [(o["kind"], o["uid"], o["controller"]) for o in meta["ownerReferences"]] == [
        ("CognitiveSchedule", UID, True)
    ]
    assert [run["name"] for run in cluster.status["active"]] == [name]
    assert cluster.status["lastScheduleTime"] == "2026-11-21T06:10:00Z"
    assert cluster.status["nextScheduleTime"] == "2026-11-21T06:20:00Z"


async def test_no_run_starts_in_a_namespace_whose_tasks_are_not_known() -> None:
    cluster = Cluster()
    operator = Operator(cluster)
    cluster.time = at("06:10:02")
    operator.index.unlisted.add(NAME[0])
    assert await operator.look() == Timing().schedule_retry_s
    assert (cluster.created, cluster.writes) == ([], 0)
    operator.index.unlisted.clear()
    await operator.look()
    assert len(cluster.created) == 1


async def test_schedules_of_a_lost_namespace_stay_known_and_hold_up_no_other() -> None:
    cluster = Cluster()
    cluster.scopes, cluster.refused = ("another", NAME[0], "refused"), ["refused"]
    operator = Operator(cluster)
    operator.namespaces.report_lost(NAME[0], "403")
    await operator.schedules._lists.relist()
    assert cluster.listed == ["another", "refused"]
    assert operator.namespaces.lost == {NAME[0], "refused"}
    assert operator.schedules._store.get(NAME) is not None


async def test_a_schedule_that_is_gone_from_a_complete_list_is_forgotten() -> None:
    cluster = Cluster()
    cluster.scopes = (NAME[0],)
    operator = Operator(cluster)
    await operator.schedules._lists.relist()
    assert operator.schedules._store.get(NAME) is not None
    gone = cluster.body | {"metadata": cluster.body["metadata"] | {"name": "gone", "uid": "uid-gone"}}
    operator.schedules.upsert(gone)
    await operator.schedules._lists.relist()
    assert [record.name for record in operator.schedules._store.all()] == [NAME]


async def test_a_run_costs_two_writes_of_the_status_and_looking_none() -> None:
    cluster = Cluster()
    operator = Operator(cluster)
    await operator.look()
    before = cluster.writes
    cluster.time = at("06:10:02")
    await operator.look()
    cluster.finish(cluster.created[0])
    for _ in range(5):
        await operator.look()
    assert cluster.writes - before == 3, "the task, its begin and its end"
    assert cluster.status["totals"] == {"started": 1, "succeeded": 1, "failed": 0, "tokens": 100, "energy": 0.25}
    assert [(run["phase"], run["tokens"]) for run in cluster.status["runs"]] == [("Succeeded", 100)]
    assert cluster.status["lastSuccessfulTime"] == "2026-11-21T06:10:02Z"
    assert cluster.status["active"] == []


async def test_history_is_kept_to_its_limits_and_totals_count_what_is_deleted() -> None:
    cluster = Cluster(successfulHistoryLimit=1, failedHistoryLimit=0)
    operator = Operator(cluster)
    for number in range(1, 7):
        cluster.time = MADE + timedelta(minutes=10 * number)
        await operator.look()
        cluster.finish(cluster.created[-1], "Failed" if number % 3 == 0 else "Succeeded")
        await operator.look()
        await operator.look()
    assert list(cluster.tasks) == [cluster.created[4]]
    assert cluster.status["totals"] == {"started": 6, "succeeded": 4, "failed": 2, "tokens": 600, "energy": 1.5}


async def test_a_run_that_a_user_deletes_after_its_end_is_counted_once() -> None:
    cluster = Cluster()
    operator = Operator(cluster)
    cluster.time = at("06:10")
    await operator.look()
    cluster.finish(cluster.created[0])
    operator.watch()
    cluster.tasks.clear()
    for _ in range(3):
        await operator.look()
    assert cluster.status["totals"]["succeeded"] == 1


async def test_forbid_waits_for_the_active_run_and_says_so_once() -> None:
    cluster = Cluster(concurrencyPolicy="Forbid")
    operator = Operator(cluster)
    cluster.time = at("06:10")
    await operator.look()
    cluster.time = at("06:20:05")
    await operator.look()
    await operator.look()
    assert len(cluster.created) == 1
    assert [note.reason for note in cluster.notes] == ["AlreadyActive"]
    cluster.finish(cluster.created[0])
    await operator.look()
    assert cluster.active() == [f"scan-{int(at('06:20').timestamp()) // 60}"]


async def test_replace_ends_the_active_run_also_when_the_watch_is_behind() -> None:
    cluster = Cluster(concurrencyPolicy="Replace")
    operator = Operator(cluster)
    cluster.time = at("06:10")
    await operator.look()
    first = cluster.tasks[cluster.created[0]]
    cluster.tasks[cluster.created[0]] = first | {"metadata": first["metadata"] | {"resourceVersion": "999999"}}
    cluster.time = at("06:20")
    await operator.schedules.reconcile(NAME)
    assert cluster.active() == [cluster.created[1]]
    assert [each["name"] for each in cluster.status["active"]] == [cluster.created[1]]


async def test_a_refused_task_is_told_once_and_tried_again() -> None:
    cluster = Cluster()
    operator = Operator(cluster)
    cluster.refusal = ObjectInvalidError("spec.type: Unsupported value")
    cluster.time = at("06:10")
    assert await operator.look() == LOOK_AGAIN_S
    await operator.look()
    (condition,) = cluster.status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "TaskRefused")
    assert "Unsupported value" in condition["message"]
    assert "lastScheduleTime" not in cluster.status
    assert [note.reason for note in cluster.notes] == ["TaskRefused"]
    cluster.refusal = None
    await operator.look()
    assert len(cluster.created) == 1
    assert cluster.status["conditions"][0]["status"] == "True"


async def test_a_task_of_somebody_elses_is_not_taken_for_a_run() -> None:
    cluster = Cluster()
    operator = Operator(cluster)
    cluster.time = at("06:10")
    name = f"scan-{int(cluster.time.timestamp()) // 60}"
    meta = {"name": name, "namespace": "team", "uid": "x", "resourceVersion": "5", "creationTimestamp": cluster.now()}
    cluster.tasks[name] = {"metadata": meta, "spec": cluster.body["spec"]["taskTemplate"]["spec"]}
    await operator.look()
    await operator.look()
    assert [note.reason for note in cluster.notes] == ["NameTaken"]
    assert cluster.status["totals"]["started"] == 0
    assert cluster.status["lastScheduleTime"] == "2026-11-21T06:10:00Z"


async def test_the_clock_jumps_an_hour_either_way() -> None:
    cluster = Cluster()
    operator = Operator(cluster)
    for time in (at("06:10:01"), at("07:12"), at("06:12:30"), at("06:20:01"), at("07:10:01"), at("07:20:01")):
        cluster.time = time
        await operator.look()
    minutes = [int(name.rpartition("-")[2]) * 60 for name in cluster.created]
    assert [datetime.fromtimestamp(each, UTC) for each in minutes] == [at("06:10"), at("07:10"), at("07:20")]


async def live_through(cluster: Cluster, policy: str) -> None:
    """Let operators live through an hour of six runs, each of which takes fifteen minutes."""
    operator = Operator(cluster)
    ends: dict[str, datetime] = {}
    for minute in range(0, 90, 5):
        cluster.time = MADE + timedelta(minutes=minute)
        for name in cluster.active():
            if cluster.time >= ends.setdefault(name, cluster.time + timedelta(minutes=15)):
                cluster.finish(name)
        for _ in range(3):
            try:
                await operator.look()
            except Crash:
                operator = Operator(cluster)
            except (ConflictError, ApiUnavailableError):
                operator.watch()
        assert policy == "Allow" or len(cluster.active()) <= 1


@pytest.mark.parametrize("policy", ["Allow", "Forbid", "Replace"])
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
async def test_a_crash_at_any_write_neither_repeats_nor_loses_a_run(policy: str, is_before: bool) -> None:
    spec = {"concurrencyPolicy": policy, "successfulHistoryLimit": 2}
    undisturbed = Cluster(**spec)
    await live_through(undisturbed, policy)
    assert len(undisturbed.created) >= 4
    for number in range(1, undisturbed.writes + 1):
        cluster = Cluster(**spec)
        cluster.die_at = (number, is_before)
        await live_through(cluster, policy)
        assert cluster.die_at is None
        assert cluster.created == undisturbed.created, f"death at write {number}"
        assert cluster.status["totals"] == undisturbed.status["totals"], f"death at write {number}"
        assert set(cluster.tasks) == set(undisturbed.tasks)


async def test_the_log_of_a_schedule_that_cannot_be_read_names_the_field_and_shows_no_input(
    caplog: pytest.LogCaptureFixture,
) -> None:
    operator = Operator(Cluster())
    unreadable = schedule_body(taskTemplate={"metadata": {"labels": ["a secret"]}, "spec": {}})
    unreadable["metadata"]["resourceVersion"] = "9"
    operator.schedules.upsert(unreadable)
    (record,) = caplog.records
    assert (record.message, record.__dict__["object"]) == ("ignored an object", "team/scan")
    assert record.__dict__["cause"].startswith("spec.taskTemplate.metadata.labels: ")
    assert "secret" not in str(record.__dict__)
