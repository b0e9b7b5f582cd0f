"""Runs start when they are due, once each, whatever stops the operator and whatever its clock says."""

from datetime import UTC, datetime, timedelta

import pytest

from cognitive_operator.errors import ApiUnavailableError, ConflictError, ObjectInvalidError
from cognitive_operator.plan.schedule.next_run import LOOK_AGAIN_S
from cognitive_operator.reconcile.state.timing import Timing
from support.builders.schedules import MADE, NAME, UID, at, schedule_body
from support.fakes.schedule_cluster import Cluster, Crash, Operator


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
