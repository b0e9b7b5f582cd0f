"""Tasks that depend on each other: order, results as input, ends that spread, cycles, restarts."""

import json
from functools import partial
from typing import Any

import pytest

from controlplane import ControlPlane
from servers.operator import OperatorProcess
from support.builders.cognitive_objects import Cluster, task
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
LONG = "begin " + "of a long answer " * 2000 + "end-of-the-long-answer"
LARGE = json.dumps({"thought": "t", "proposed_solution": LONG, "confidence_score": 0.5})


def link(name: str, *needs: dict[str, str], says: str = "", agent: str = "thinker") -> dict[str, Any]:
    """Return a task that depends on others; ``says`` is what its prompt can be told by."""
    depends_on: dict[str, Any] = {"dependsOn": list(needs)} if needs else {}
    return task(name, agent, input={"error_message": says or f"<{name}>"}, **depends_on)


def need(name: str, key: str | None = None) -> dict[str, str]:
    return {"name": name} | ({"as": key} if key else {})


def prompts(model: ScriptedModel, of: str) -> list[str]:
    found = [" ".join(str(m["content"]) for m in r.body["messages"]) for r in list(model.requests)]
    return [prompt for prompt in found if f"<{of}>" in prompt]


def test_a_chain_of_three_runs_in_order_with_results_as_input(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="<chain-a>", text="insight of the first", is_held=True)
    model.script(contains="<chain-b>", text="insight of the second")
    home.apply(link("chain-c", need("chain-b", "earlier"), need("chain-a")))
    assert home.wait_phase("chain-c", "Pending")["reason"] == "DependencyNotFound"
    home.apply(link("chain-b", need("chain-a")), link("chain-a"))
    eventually(lambda: home.status("chain-b").get("reason") == "WaitingForDependency", 15.0)
    assert f"{home.kubectl.namespace}/chain-a" in home.status("chain-b")["message"]
    eventually(lambda: model.in_flight == 1, 15.0)
    model.release()
    status = home.wait_phase("chain-c", "Succeeded")
    assert len(status["attempts"]) == 1
    (second,), (third,) = prompts(model, "chain-b"), prompts(model, "chain-c")
    assert "chain_a" in second
    assert "insight of the first" in second
    assert "earlier" in third
    assert "insight of the second" in third
    assert "insight of the first" in third


def test_a_diamond_with_a_result_by_reference(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="<top>", content=LARGE)
    home.apply(
        link("top"),
        link("left", need("top")),
        link("right", need("top"), agent="jobber"),
        link("bottom", need("left"), need("right")),
    )
    bottom = home.wait_phase("bottom", "Succeeded", 90.0)
    assert home.status("top")["resultRef"]["sizeBytes"] > 16 * 1024
    assert "result" not in home.status("top")
    for side in ("left", "right"):
        assert len(prompts(model, side)) == 1
        assert "end-of-the-long-answer" in prompts(model, side)[0]
        assert home.status(side)["finishedAt"] <= bottom["startedAt"]
    assert len(prompts(model, "bottom")) == 1


def test_a_failed_one_fails_all_that_depend_on_it(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="<broken>", status=400)
    home.apply(link("broken"), link("after", need("broken")), link("after-that", need("after")), link("beside"))
    status = home.wait_phase("after-that", "Failed")
    assert status["reason"] == "DependencyFailed"
    assert "/after (spec.dependsOn) ended as Failed (reason: DependencyFailed)" in status["message"]
    assert "/broken (spec.dependsOn) ended as Failed (reason: BadRequest)" in home.status("after")["message"]
    assert home.condition("after", "Failed", "ctask")[:2] == ("True", "DependencyFailed")
    home.wait_phase("beside", "Succeeded")
    assert prompts(model, "after") == prompts(model, "after-that") == []


def test_a_deleted_one_fails_those_that_wait_for_it(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="<gone>", hang=True)
    home.apply(link("gone"), link("orphan", need("gone")))
    eventually(lambda: home.status("orphan").get("reason") == "WaitingForDependency", 15.0)
    home.kubectl("delete", "ctask", "gone", "--timeout=10s")
    status = home.wait_phase("orphan", "Failed", 10.0)
    assert status["reason"] == "DependencyFailed"
    assert "/gone (spec.dependsOn) was deleted" in status["message"]


def test_a_cycle_is_named_and_fails_all_its_members(cluster: Cluster, home: Cluster, model: ScriptedModel) -> None:
    home.apply(link("x", need("z")), link("y", need("x")), link("outside", need("y")), link("z", need("y")))
    for name in "xyz":
        status = home.wait_phase(name, "Failed")
        assert status["reason"] == "DependencyCycle"
        assert "x -> z -> y -> x" in status["message"]
        assert home.condition(name, "Accepted", "ctask")[0] == "False"
    assert home.wait_phase("outside", "Failed")["reason"] == "DependencyFailed"
    assert prompts(model, "x") == prompts(model, "outside") == []


def waits(cluster: Cluster, name: str) -> bool:
    return cluster.status(name).get("reason") == "WaitingForDependency"


@pytest.mark.timeout(400)
def test_chains_go_on_after_a_restart(
    home: Cluster, model: ScriptedModel, operator_process: OperatorProcess, control_plane: ControlPlane
) -> None:
    model.script(contains="<slowly>", is_held=True, text="insight before the restart")
    model.script(contains="<endless>", hang=True)
    home.apply(link("slowly"), link("later", need("slowly")), link("endless"), link("bereft", need("endless")))
    for name in ("later", "bereft"):
        eventually(partial(waits, home, name), 15.0)
    eventually(lambda: model.in_flight == 2, 15.0)
    operator_process.kill()
    model.release()
    home.kubectl("delete", "ctask", "endless", "--timeout=10s")
    operator_process.resume()
    assert home.wait_phase("bereft", "Failed")["reason"] == "DependencyFailed"
    assert len(home.wait_phase("later", "Succeeded", 60.0)["attempts"]) == 1
    (prompt,) = prompts(model, "later")
    assert "insight before the restart" in prompt
    assert len(prompts(model, "slowly")) == 1
    eventually(lambda: model.in_flight == 0, 100.0)  # the sweep stops what was deleted while no operator lived
