"""A task's own output schema, and budgets of tokens, as a user sees them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from servers.operator import OperatorProcess
from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import eventually
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
SCHEMA = {
    "type": "object",
    "properties": {"severity": {"enum": ["low", "high"]}, "owner": {"type": ["string", "null"]}},
    "required": ["severity", "owner"],
}
DAY_TEST_S = 120
"""Duration of a test about the tokens of a day on a slow machine."""
GOOD = {"thought": "the disk is full", "proposed_solution": "p", "confidence_score": 0.5}


def answer(output: Any) -> str:
    return json.dumps(GOOD | {"output": output})


TOLD: dict[str, Any] = {"memory": {}}
"""Nothing of the worker's own memory, so that a question costs the same each time."""


def named(text: str) -> dict[str, Any]:
    """Return an input by which a script can tell one task from the others."""
    return {"error_message": text}


def test_the_result_has_an_output_that_satisfies_the_schema(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="nobody owns", content=answer({"severity": "low", "owner": None}))
    for name, agent_name in (("owned", "thinker"), ("owned-job", "jobber")):
        home.apply(task(name, agent_name, outputSchema=SCHEMA, input=named("nobody owns it")))
    for name in ("owned", "owned-job"):
        status = home.wait_phase(name, "Succeeded", 60.0)
        assert status["result"] == GOOD | {"output": {"severity": "low", "owner": None}}
        assert home.condition(name, "OutputValid", "ctask")[:2] == ("True", "OutputChecked")


def test_an_output_that_fails_is_repaired_then_retried_then_told(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="always wrong", content=answer({"severity": "worst", "owner": None}))
    once = {"maxRetries": 1, "backoffSeconds": 1}
    home.apply(task("wrong", "thinker", outputSchema=SCHEMA, input=named("always wrong"), retryPolicy=once))
    status = home.wait_phase("wrong", "Failed")
    assert status["reason"] == "OutputInvalid"
    assert [attempt["errorType"] for attempt in status["attempts"]] == ["OutputInvalid", "OutputInvalid"]
    assert sum(model.executions.values()) == 4
    state, reason, message = home.condition("wrong", "OutputValid", "ctask")
    assert (state, reason) == ("False", "OutputInvalid")
    assert '/output/severity: expected enum ["low", "high"]' in message
    assert "worst" not in json.dumps(status)
    assert "result" not in status
    assert status["reasoning"] == "the disk is full"


def test_a_schema_that_is_none_is_refused_before_anything_runs(home: Cluster, model: ScriptedModel) -> None:
    home.apply(task("no-schema", "thinker", outputSchema={"properties": {"a": {"type": "thing"}}}))
    home.apply(task("remote", "thinker", outputSchema={"$ref": "https://example.com/schema.json"}))
    for name, said in (("no-schema", "/properties/a/type"), ("remote", "/$ref")):
        status = home.wait_phase(name, "Failed")
        assert (status["reason"], status.get("attempts")) == ("InvalidOutputSchema", None)
        assert f"spec.outputSchema at {said}: " in status["message"]
        assert home.condition(name, "Accepted", "ctask")[:2] == ("False", "InvalidOutputSchema")
    assert model.requests == []


def test_a_task_that_passes_its_budget_ends_and_keeps_its_thought(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="long answer", content=json.dumps(GOOD | {"proposed_solution": "word " * 2000}))
    for name, agent_name in (("costly", "thinker"), ("costly-job", "jobber")):
        home.apply(task(name, agent_name, budget={"tokens": 1500}, input=named("long answer")))
    for name in ("costly", "costly-job"):
        status = home.wait_phase(name, "Failed", 60.0)
        assert (status["reason"], status["reasoning"]) == ("BudgetExceeded", "the disk is full")
        assert status["usage"]["totalTokens"] == status["attempts"][0]["tokens"] > 1500
        assert len(status["attempts"]) == 1


def test_a_budget_goes_over_all_attempts(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="never JSON", content="no JSON " * 100)
    question: dict[str, Any] = {"input": named("never JSON"), "context": TOLD}
    home.apply(task("free", "thinker", retryPolicy={"maxRetries": 0}, **question))
    once = home.wait_phase("free", "Failed")["usage"]["totalTokens"]
    model.reset()
    model.script(contains="never JSON", content="no JSON " * 100)
    budget, retries = once + once // 2, {"maxRetries": 9, "backoffSeconds": 1}
    home.apply(task("bounded", "thinker", budget={"tokens": budget}, retryPolicy=retries, **question))
    status = home.wait_phase("bounded", "Failed", 60.0)
    assert status["reason"] == "BudgetExceeded"
    assert [attempt["errorType"] for attempt in status["attempts"]] == ["OutputParseError", "BudgetExceeded"]
    assert sum(attempt["tokens"] for attempt in status["attempts"]) <= budget
    assert len(model.requests) == 3


@pytest.fixture
def one_day() -> None:
    """The rest of the day is long enough for a test about the tokens of a day."""

    def is_enough() -> bool:
        return datetime.now(UTC).date() == (datetime.now(UTC) + timedelta(seconds=DAY_TEST_S)).date()

    eventually(is_enough, DAY_TEST_S + 1, 1.0)


def counted(cluster: Cluster, name: str, total: int) -> None:
    def reached() -> bool:
        today = cluster.get("cagent", name)["status"].get("tokensToday", {})
        assert today.get("total") == total, today
        return True

    eventually(reached, 30.0, 0.2)


@pytest.mark.timeout(180 + DAY_TEST_S)
@pytest.mark.usefixtures("one_day")
def test_an_agent_waits_for_another_day_when_its_tokens_are_used_up(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel, operator_process: OperatorProcess
) -> None:
    spec = {"queue": {"maxConcurrentTasks": 1}, "budget": {"tokensPerDay": 1}}
    cluster.apply(agent("daily", ray_server.address, model.url, **spec))
    cluster.wait_ready("daily")
    cluster.apply(task("first", "daily"), task("second", "daily"))
    first = cluster.wait_phase("first", "Succeeded")
    used = first["usage"]["totalTokens"]
    status, message = cluster.wait_condition("daily", "Ready", "BudgetExhausted")
    today = datetime.now(UTC).date()
    assert status == "False"
    assert message == (
        f"The agent has used {used} of spec.budget.tokensPerDay 1 on {today} (UTC); "
        f"attempts resume at {today + timedelta(days=1)}T00:00:00Z."
    )
    counted(cluster, "daily", used)
    assert cluster.wait_phase("second", "Queued")["reason"] == "BudgetExhausted"
    operator_process.kill()
    operator_process.resume()
    cluster.wait_condition("daily", "Ready", "BudgetExhausted")
    assert cluster.status("second")["phase"] == "Queued"
    assert len(model.requests) == 1
    yesterday = {"status": {"tokensToday": {"date": str(today - timedelta(days=1))}}}
    cluster.patch("cagent", "daily/status", yesterday)
    second = cluster.wait_phase("second", "Succeeded", 60.0)
    cluster.wait_condition("daily", "Ready", "BudgetExhausted")
    counted(cluster, "daily", second["usage"]["totalTokens"])
    assert cluster.get("cagent", "daily")["status"]["tokensToday"]["date"] == str(datetime.now(UTC).date())
