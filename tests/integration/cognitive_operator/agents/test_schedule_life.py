"""Schedules at work: by the real clock, and by last times that were set back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from servers.operator import OperatorProcess
from support.builders.cognitive_objects import API_VERSION, Cluster, task
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
LONG_AGO = "2020-06-01T00:00:00Z"


def midnight(days_ago: int) -> datetime:
    """Return a time in the last year at which a run of ``yearly`` was due."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)


def yearly(days_ago: int) -> str:
    """Return a cron expression of one run in a year, the last of which was due so many days ago."""
    return f"0 0 {midnight(days_ago).day} {midnight(days_ago).month} *"


def schedule(name: str, says: str, **spec: Any) -> dict[str, Any]:
    """Return a schedule of one run in a year; ``says`` is what a prompt can be told by."""
    template = {"spec": task("x", "thinker", input={"error_message": says})["spec"]}
    base = {"schedule": yearly(30), "taskTemplate": template}
    return {"apiVersion": API_VERSION, "kind": "CognitiveSchedule", "metadata": {"name": name}, "spec": base | spec}


def runs_of(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    selector = f"cognitive.seedcore.io/schedule={name}"
    return cluster.items("ctask", selector)


def make_due(cluster: Cluster, name: str) -> None:
    """Let the last run be long ago, so that the last missed one is due at once."""
    cluster.patch("csched", f"{name}/status", {"status": {"lastScheduleTime": LONG_AGO}})


def totals(cluster: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.get("csched", name).get("status", {}).get("totals", {})
    return found


def test_every_minute_over_a_restart(home: Cluster, model: ScriptedModel, operator_process: OperatorProcess) -> None:
    began = datetime.now(UTC)
    home.apply(schedule("minutely", "<minutely>", schedule="* * * * *"))
    assert home.wait_condition("minutely", "Ready", "Scheduled", kind="csched")[0] == "True"
    ready = datetime.now(UTC)
    eventually(lambda: totals(home, "minutely").get("succeeded") == 1, 90.0, 0.2)
    operator_process.kill()
    operator_process.resume()
    eventually(lambda: totals(home, "minutely").get("succeeded") == 2, 90.0, 0.2)
    names = sorted(run["metadata"]["name"] for run in runs_of(home, "minutely"))
    first = int(names[0].rpartition("-")[2])
    assert int(began.timestamp()) // 60 + 1 <= first <= int(ready.timestamp()) // 60 + 1
    assert names == [f"minutely-{first}", f"minutely-{first + 1}"]
    body = home.get("csched", "minutely")
    status = body["status"]
    assert status["totals"]["tokens"] == sum(run["status"]["usage"]["totalTokens"] for run in runs_of(home, "minutely"))
    assert [run["name"] for run in status["runs"]] == names[::-1]
    assert status["lastScheduleTime"] == datetime.fromtimestamp(60 * (first + 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert set(model.executions.values()) == {1}
    header, row = home.kubectl("get", "csched", "minutely").splitlines()
    columns = ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "READY", "LAST", "RUN", "SUCCEEDED", "FAILED", "AGE"]
    assert header.split() == columns
    assert row.startswith("minutely   * * * * *   UTC        false     True ")
    home.kubectl("delete", "csched", "minutely")
    eventually(lambda: runs_of(home, "minutely") == [], 30.0, 0.5)


def test_only_the_last_missed_run_starts_and_replace_ends_it_for_another(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="<replaced>", hang=True, times=1)
    home.apply(schedule("replaced", "<replaced>", concurrencyPolicy="Replace"))
    home.wait_condition("replaced", "Ready", "Scheduled", kind="csched")
    make_due(home, "replaced")
    eventually(lambda: model.in_flight == 1, 20.0)
    (first,) = runs_of(home, "replaced")
    assert first["metadata"]["name"] in {f"replaced-{int(midnight(days).timestamp()) // 60}" for days in (30, 31)}
    home.patch("csched", "replaced", {"spec": {"schedule": yearly(20)}})
    eventually(lambda: totals(home, "replaced").get("succeeded") == 1, 30.0)
    (second,) = runs_of(home, "replaced")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    eventually(lambda: model.in_flight == 0, 10.0)
    assert totals(home, "replaced")["started"] == 2


def test_forbid_suspend_and_limits(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="<one-by-one>", is_held=True, times=1)
    home.apply(schedule("one-by-one", "<one-by-one>", concurrencyPolicy="Forbid", successfulHistoryLimit=1))
    home.wait_condition("one-by-one", "Ready", "Scheduled", kind="csched")
    make_due(home, "one-by-one")
    eventually(lambda: model.in_flight == 1, 20.0)
    home.patch("csched", "one-by-one", {"spec": {"schedule": yearly(20)}})
    eventually(lambda: "AlreadyActive" in {event["reason"] for event in home.items("event")}, 10.0)
    assert len(runs_of(home, "one-by-one")) == 1
    model.release()
    eventually(lambda: totals(home, "one-by-one").get("succeeded") == 2, 30.0)
    eventually(lambda: len(runs_of(home, "one-by-one")) == 1, 10.0)
    home.patch("csched", "one-by-one", {"spec": {"suspend": True, "schedule": yearly(10)}})
    home.wait_condition("one-by-one", "Ready", "Suspended", kind="csched")
    assert totals(home, "one-by-one")["started"] == 2


def test_an_unknown_time_zone_is_a_condition_until_it_is_mended(home: Cluster, model: ScriptedModel) -> None:
    home.apply(schedule("martian", "<martian>", timeZone="Mars/Olympus"))
    status, message = home.wait_condition("martian", "Ready", "UnknownTimeZone", kind="csched")
    assert status == "False"
    assert "Mars/Olympus" in message
    home.patch("csched", "martian", {"spec": {"timeZone": "Europe/Berlin"}})
    home.wait_condition("martian", "Ready", "Scheduled", kind="csched")
