"""The API server's checks and defaults of schedules."""

from typing import Any

import pytest

from support.builders.crd_objects import API_VERSION, Manifest, task
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration
KIND = "CognitiveSchedule"


def schedule(name: str = "scan", template: dict[str, Any] | None = None, **spec: Any) -> Manifest:
    base = {"schedule": "30 7 * * MON-FRI", "taskTemplate": {"spec": template or task()["spec"]}}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": base | spec}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"schedule": "* * * *"}, ("spec.schedule", "should match")),
        ({"schedule": "* * * * * *"}, ("spec.schedule", "should match")),
        ({"schedule": "@every 1h"}, ("spec.schedule", "should match")),
        ({"schedule": "@reboot"}, ("spec.schedule", "should match")),
        ({"schedule": "TZ=UTC 1 1 1 1"}, ("spec.schedule", "should match")),
        ({"schedule": "0 0 L * *"}, ("spec.schedule", "should match")),
        ({"schedule": "0 0 * * MON#1"}, ("spec.schedule", "should match")),
        ({"schedule": None}, ("spec.schedule", "Required")),
        ({"timeZone": ""}, ("spec.timeZone", "at least 1 char")),
        ({"timeZone": "x" * 65}, ("spec.timeZone", "64")),
        ({"concurrencyPolicy": "Queue"}, ("spec.concurrencyPolicy", '"Allow", "Forbid", "Replace"')),
        ({"startingDeadlineSeconds": 0}, ("spec.startingDeadlineSeconds", "1")),
        ({"startingDeadlineSeconds": 31536001}, ("spec.startingDeadlineSeconds", "31536000")),
        ({"successfulHistoryLimit": -1}, ("spec.successfulHistoryLimit", "0")),
        ({"successfulHistoryLimit": 101}, ("spec.successfulHistoryLimit", "100")),
        ({"failedHistoryLimit": -1}, ("spec.failedHistoryLimit", "0")),
        ({"failedHistoryLimit": 101}, ("spec.failedHistoryLimit", "100")),
        ({"suspend": "yes"}, ("spec.suspend", "boolean")),
        ({"taskTemplate": None}, ("spec.taskTemplate", "Required")),
        ({"taskTemplate": {}}, ("spec.taskTemplate.spec", "Required")),
        ({"taskTemplate": {"metadata": {"labels": {"a": 1}}, "spec": task()["spec"]}}, ("labels.a", "string")),
        ({"taskTemplate": {"metadata": {"labels": {"a": "x" * 64}}, "spec": task()["spec"]}}, ("labels.a", "63")),
        ({"taskTemplate": {"metadata": {"name": "x"}, "spec": task()["spec"]}}, ("unknown field", "name")),
    ],
)
def test_a_wrong_schedule_is_refused(default: Namespace, spec: dict[str, Any], said: tuple[str, ...]) -> None:
    message = default.refusal(schedule(**spec))
    assert [word for word in said if word not in message] == [], message


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (task("x", "TaskPlanning")["spec"] | {"input": {}}, "needs spec.taskTemplate.spec.input.task_description"),
        (task("x")["spec"] | {"type": "Guessing"}, "spec.taskTemplate.spec.type"),
        (task("x")["spec"] | {"agentRef": {"name": "NO"}}, "spec.taskTemplate.spec.agentRef.name must be"),
        (task("x")["spec"] | {"timeoutSeconds": 0}, "spec.taskTemplate.spec.timeoutSeconds"),
        (task("x")["spec"] | {"dependsOn": [{"name": "a-b"}, {"name": "a.b"}]}, "two results for the same key"),
    ],
)
def test_a_template_is_judged_as_a_task_is(default: Namespace, template: dict[str, Any], said: str) -> None:
    assert said in default.refusal(schedule(template=template))


@pytest.mark.parametrize("times", ["0 0 ? * MON", "*/5,7 0-6/2 1-7,15-21 jan-MAR sun,WED", "@midnight"])
def test_schedules_of_cronjobs_are_accepted(default: Namespace, times: str) -> None:
    default.create(schedule(schedule=times), dry_run=True)


def test_a_name_leaves_room_for_those_of_the_tasks(default: Namespace) -> None:
    default.create(schedule("x" * 52), dry_run=True)
    assert "metadata.name may have at most 52" in default.refusal(schedule("x" * 53))


def test_a_schedule_gets_its_defaults_and_may_change(home: Namespace) -> None:
    defaults = {"timeZone": "UTC", "concurrencyPolicy": "Allow", "suspend": False}
    limits = {"successfulHistoryLimit": 3, "failedHistoryLimit": 1}
    assert home.stored(schedule()) == schedule()["spec"] | defaults | limits
    other = task("x", "ProblemSolving")["spec"] | {"timeoutSeconds": 9}
    home.patch(KIND, "scan", schedule(template=other, schedule="@daily", suspend=True))
    changed = home.get(KIND, "scan")["spec"]
    assert changed["taskTemplate"]["spec"]["type"] == "ProblemSolving"
    assert (changed["schedule"], changed["suspend"]) == ("@daily", True)
