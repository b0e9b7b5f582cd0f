"""A task from apply to its end."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from controlplane import ControlPlane
from support.builders.cognitive_objects import INPUTS, Cluster, task
from support.eventually import LIMIT_S, eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
EVIL = "naïve 故障 $(reboot) `id` ; rm -rf / \u0007\u0001 \" ' \\ 100% {x} \u202e 😀"
RESULT_KEYS = {
    "FailureAnalysis": {"thought", "proposed_solution"},
    "TaskPlanning": {"step_by_step_plan", "estimated_complexity", "risk_assessment"},
    "DecisionMaking": {"decision", "alternative_options"},
    "ProblemSolving": {"solution_approach", "solution_steps", "success_metrics"},
    "MemorySynthesis": {"synthesized_insight", "related_patterns"},
    "CapabilityAssessment": {"capability_gaps", "improvement_plan", "priority_recommendations"},
}


@pytest.mark.parametrize("type_", list(INPUTS))
def test_each_type_succeeds_with_its_own_outputs(home: Cluster, model: ScriptedModel, type_: str) -> None:
    name = f"each-{type_.lower()}"
    home.apply(task(name, "thinker", type_))
    status = home.wait_phase(name, "Succeeded")
    assert set(status["result"]) >= RESULT_KEYS[type_]
    assert status["usage"]["totalTokens"] > 0
    assert [a["outcome"] for a in status["attempts"]] == ["Succeeded"]
    assert ("confidence" in status) != ("confidenceReason" in status)


def test_kubectl_waits_for_the_condition_and_shows_the_columns(home: Cluster, model: ScriptedModel) -> None:
    home.apply(task("columns", "thinker"))
    home.kubectl("wait", "ctask/columns", "--for=condition=Complete", "--timeout=30s")
    header, row = home.kubectl("get", "ctask", "columns").splitlines()
    assert header.split() == ["NAME", "PHASE", "AGENT", "TYPE", "REASON", "DURATION", "TOKENS", "AGE"]
    assert row.split()[:5] == ["columns", "Succeeded", "thinker", "FailureAnalysis", "Succeeded"]
    wide = home.kubectl("get", "ctask", "columns", "-o", "wide").splitlines()[1].split()
    assert "Embedded" in wide


def test_text_arrives_at_the_model_unchanged(home: Cluster, model: ScriptedModel) -> None:
    home.apply(task("evil", "thinker", input={"error_message": EVIL, "incident_id": EVIL}))
    home.wait_phase("evil", "Succeeded")
    prompt = " ".join(str(m["content"]) for m in model.requests[-1].body["messages"])
    assert json.dumps(EVIL, ensure_ascii=False) in prompt or EVIL in prompt


def test_a_fast_task_costs_one_write_and_no_task_more_than_three(
    home: Cluster, model: ScriptedModel, control_plane: ControlPlane
) -> None:
    model.script(contains="slow one", delay_s=1.0)
    home.apply(task("fast", "thinker"), task("slow", "thinker", input={"error_message": "slow one"}))
    home.wait_phase("slow", "Succeeded")
    home.wait_phase("fast", "Succeeded")
    writes = {name: task_writes(control_plane.audit_log_path, name) for name in ("fast", "slow")}
    assert 1 <= writes["fast"] <= 2
    assert 2 <= writes["slow"] <= 3


def task_writes(audit: Path, name: str) -> int:
    """Count the operator's successful writes to a task in the audit log."""
    events = (json.loads(line) for line in audit.read_text().splitlines())
    return sum(1 for event in events if is_operator_write(event, name))


def is_operator_write(event: dict[str, Any], name: str) -> bool:
    ref = event.get("objectRef") or {}
    is_write = event.get("stage") == "ResponseComplete" and event["verb"] in ("create", "update", "patch")
    is_task = ref.get("resource") == "cognitivetasks" and ref.get("name") == name
    return is_write and is_task and "kubectl" not in event.get("userAgent", "")


def test_a_long_spec_works_with_plain_apply_and_a_longer_one_is_refused_with_its_size(
    home: Cluster, model: ScriptedModel
) -> None:
    frame = len(json.dumps(task("x", "thinker", input={"error_message": ""})["spec"], separators=(",", ":")))
    home.apply(task("long", "thinker", input={"error_message": "x" * (192 * 1024 - frame)}))
    too_long = task("too-long", "thinker", input={"error_message": "x" * (192 * 1024 - frame + 1)})
    home.kubectl("create", "-f", "-", stdin=json.dumps(too_long))
    status = home.wait_phase("too-long", "Failed")
    assert status["reason"] == "InputTooLarge"
    assert "196609" in status["message"]
    assert "196608" in status["message"]
    assert home.condition("too-long", "Accepted", "ctask")[:2] == ("False", "InputTooLarge")
    assert home.wait_phase("long", "Succeeded")["attempts"][0]["outcome"] == "Succeeded"


def test_a_failure_that_may_pass_is_retried_and_recorded(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="flaky", status=503, times=1)
    home.apply(task("flaky", "thinker", input={"error_message": "flaky"}))
    status = home.wait_phase("flaky", "Succeeded")
    assert [(a["number"], a["outcome"], a.get("errorType")) for a in status["attempts"]] == [
        (1, "Failed", "ModelUnavailable"),
        (2, "Succeeded", None),
    ]


def test_a_failure_that_would_repeat_is_not_retried(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="bad request", status=400)
    home.apply(task("bad", "thinker", input={"error_message": "bad request"}))
    status = home.wait_phase("bad", "Failed")
    assert (status["reason"], len(status["attempts"])) == ("BadRequest", 1)
    assert home.condition("bad", "Failed", "ctask")[0] == "True"


def test_retries_end(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="always down", status=500)
    policy = {"maxRetries": 1, "backoffSeconds": 0}
    home.apply(task("down", "thinker", input={"error_message": "always down"}, retryPolicy=policy))
    status = home.wait_phase("down", "Failed")
    assert (status["reason"], len(status["attempts"])) == ("ModelUnavailable", 2)


def test_the_running_deadline_ends_a_model_that_never_answers(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="never answers", hang=True)
    home.apply(task("late", "thinker", input={"error_message": "never answers"}, timeoutSeconds=2))
    running = home.wait_phase("late", "Running")
    assert running["attempts"][0]["outcome"] == "Running"
    status = home.wait_phase("late", "Failed")
    assert status["reason"] == "DeadlineExceeded"
    eventually(lambda: model.in_flight == 0, LIMIT_S)


def test_deleting_a_task_stops_what_runs(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="hangs", hang=True)
    home.apply(task("deleted", "thinker", input={"error_message": "hangs"}))
    eventually(lambda: model.in_flight == 1, 10.0)
    home.kubectl("delete", "ctask", "deleted", f"--timeout={LIMIT_S}s")
    eventually(lambda: model.in_flight == 0, 8.0)


def test_tasks_run_in_their_order_and_no_more_than_allowed_at_once(
    home: Cluster, model: ScriptedModel, request: pytest.FixtureRequest
) -> None:
    home.patch("cagent", "thinker", {"spec": {"queue": {"maxConcurrentTasks": 1}}})
    limit = {"spec": {"queue": {"maxConcurrentTasks": 8}}}
    request.addfinalizer(lambda: home.patch("cagent", "thinker", limit))
    model.script(contains="in order", delay_s=0.8)
    eventually(lambda: home.observed("cagent", "thinker"), 10.0)
    home.apply(*[task(f"order-{n}", "thinker", input={"error_message": f"in order {n}"}) for n in range(5)])
    waiting = eventually(lambda: home.status("order-4").get("reason"), 10.0)
    assert waiting == "WaitingForSlot"
    home.wait_phase("order-4", "Succeeded")
    asked = [r for r in model.requests if "in order" in str(r.body["messages"])]
    texts = [str(r.body["messages"]) for r in asked]
    assert [next(n for n in range(5) if f"in order {n}" in text) for text in texts] == list(range(5))
    assert all(later.at - earlier.at >= 0.79 for earlier, later in pairwise(asked))


def test_a_task_waits_for_its_agent(cluster: Cluster, home: Cluster, model: ScriptedModel) -> None:
    cluster.apply(task("early", "nobody"))
    status = cluster.wait_phase("early", "Pending")
    assert status["reason"] == "AgentNotFound"
    assert "nobody" in status["message"]
    assert cluster.condition("early", "Accepted", "ctask")[0] == "False"


def ready_condition(cluster: Cluster, agent: str) -> Any:
    return next(c for c in cluster.get("cagent", agent)["status"]["conditions"] if c["type"] == "Ready")


def test_a_restart_of_the_operator_changes_no_finished_task_and_calls_no_agent_unready(
    home: Cluster, model: ScriptedModel, operator_process: Any
) -> None:
    home.apply(task("final", "thinker"))
    home.wait_phase("final", "Succeeded")
    before = home.get("ctask", "final")["metadata"]["resourceVersion"]
    ready = ready_condition(home, "thinker")
    operator_process.kill()
    operator_process.resume()
    home.apply(task("after-restart", "thinker"))
    home.wait_phase("after-restart", "Succeeded")
    assert home.get("ctask", "final")["metadata"]["resourceVersion"] == before
    assert ready_condition(home, "thinker") == ready
