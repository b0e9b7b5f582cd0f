"""Tasks that their users cancel or suspend, in both modes, and an agent that is drained."""

from collections.abc import Iterator

import pytest

from support.builders.cognitive_objects import Cluster, task
from support.eventually import LIMIT_S, eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
MODES = pytest.mark.parametrize("who", ["thinker", "jobber"])


def change(home: Cluster, kind: str, name: str, **spec: object) -> None:
    home.patch(kind, name, {"spec": spec})


def hanging(home: Cluster, model: ScriptedModel, name: str, who: str) -> None:
    model.script(contains=name, hang=True, times=1)
    home.apply(task(name, who, input={"error_message": name}))
    eventually(lambda: model.in_flight == 1, 30.0)


@MODES
def test_cancelling_stops_a_call_of_the_model_that_hangs(home: Cluster, model: ScriptedModel, who: str) -> None:
    hanging(home, model, f"cancelled-{who}", who)
    change(home, "ctask", f"cancelled-{who}", cancel=True)
    eventually(lambda: model.in_flight == 0, 8.0)
    status = home.wait_phase(f"cancelled-{who}", "Cancelled", 10.0)
    assert (status["reason"], [a["outcome"] for a in status["attempts"]]) == ("Cancelled", ["Cancelled"])
    home.kubectl("wait", f"ctask/cancelled-{who}", "--for=condition=Failed", f"--timeout={LIMIT_S}s")


@MODES
def test_suspending_ends_the_attempt_and_resuming_begins_another(home: Cluster, model: ScriptedModel, who: str) -> None:
    hanging(home, model, f"suspended-{who}", who)
    change(home, "ctask", f"suspended-{who}", suspend=True)
    status = home.wait_phase(f"suspended-{who}", "Suspended", 10.0)
    assert [a["outcome"] for a in status["attempts"]] == ["Suspended"]
    eventually(lambda: model.in_flight == 0, 8.0)
    change(home, "ctask", f"suspended-{who}", suspend=False)
    status = home.wait_phase(f"suspended-{who}", "Succeeded")
    assert [a["outcome"] for a in status["attempts"]] == ["Suspended", "Succeeded"]


@pytest.fixture
def drained(home: Cluster) -> Iterator[Cluster]:
    """The agent ``thinker``, drained."""
    change(home, "cagent", "thinker", suspend=True)
    eventually(lambda: home.condition("thinker", "Ready")[:2] == ("False", "Suspended"), 10.0)
    yield home
    change(home, "cagent", "thinker", suspend=False)
    home.wait_ready("thinker")


def test_an_agent_is_drained_and_goes_on(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="runs", delay_s=3.0, times=1)
    home.apply(task("running", "thinker", input={"error_message": "runs"}))
    eventually(lambda: model.in_flight == 1, 10.0)
    change(home, "cagent", "thinker", suspend=True)
    eventually(lambda: home.condition("thinker", "Ready")[:2] == ("False", "Suspended"), 10.0)
    home.apply(task("waiting", "thinker", input={"error_message": "waits"}))
    eventually(lambda: home.status("waiting").get("reason") == "AgentSuspended", 10.0)
    assert home.wait_phase("running", "Succeeded")["attempts"][0]["outcome"] == "Succeeded"
    assert not [r for r in model.requests if "waits" in str(r.body["messages"])]
    change(home, "cagent", "thinker", suspend=False)
    home.wait_phase("waiting", "Succeeded")


def test_tasks_that_wait_are_held_or_cancelled_without_an_attempt(drained: Cluster, model: ScriptedModel) -> None:
    drained.apply(task("held", "thinker", suspend=True), task("dropped", "thinker"), task("stays-queued", "thinker"))
    eventually(lambda: drained.status("stays-queued").get("phase") == "Queued", 10.0)
    change(drained, "ctask", "dropped", cancel=True)
    assert "attempts" not in drained.wait_phase("dropped", "Cancelled", 5.0)
    assert drained.wait_phase("held", "Suspended")["reason"] == "Suspended"
    change(drained, "cagent", "thinker", suspend=False)
    drained.wait_phase("stays-queued", "Succeeded")
    assert drained.status("held")["phase"] == "Suspended"
    change(drained, "ctask", "held", suspend=False)
    drained.wait_phase("held", "Succeeded")


def test_the_policy_names_what_is_retried(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="busy", status=503, times=1)
    policy = {"onErrorTypes": ["RateLimited"]}
    home.apply(task("not-retried", "thinker", input={"error_message": "busy"}, retryPolicy=policy))
    assert home.wait_phase("not-retried", "Failed")["reason"] == "ModelUnavailable"


def test_a_task_that_nobody_begins_in_time_fails(drained: Cluster, model: ScriptedModel) -> None:
    drained.apply(task("overdue", "thinker", queueTimeoutSeconds=3), task("patient", "thinker"))
    status = drained.wait_phase("overdue", "Failed", 40.0)
    assert status["reason"] == "QueueTimeout"
    assert "suspended" in status["message"]
    assert drained.status("patient")["phase"] == "Queued"
