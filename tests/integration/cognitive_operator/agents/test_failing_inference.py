"""An agent whose model lists itself and answers 503 to completions, as kubectl shows it."""

import pytest

from support.builders.cognitive_objects import Cluster, agent, task
from support.eventually import eventually
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]
NAME = "failing"
TASKS = [f"t{number:02}" for number in range(20)]
POLICIES = {"t00": {"maxRetries": 0}, "t01": {"maxRetries": 0, "backoffSeconds": 0}}


@pytest.mark.parametrize("mode", ["Embedded", "Job"])
def test_tasks_wait_for_a_model_whose_inference_fails_until_one_that_tries_succeeds(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel, mode: str
) -> None:
    model.script(status=503)
    cluster.apply(
        agent(NAME, ray_server.address, model.url, execution={"mode": mode}, queue={"maxConcurrentTasks": 3}),
    )
    cluster.wait_ready(NAME)
    cluster.apply(*(task(name, NAME, retryPolicy=POLICIES.get(name, {})) for name in TASKS))
    status, message = cluster.wait_condition(NAME, "ModelReady", "InferenceFailing")
    assert status == "False"
    told, _, last_error = message.partition(" The executor reports: ")
    assert told == (
        f"{model.url} does not complete calls of model '{NAME}': attempts of several tasks failed in a row, the last "
        "with ModelUnavailable. Check the log and the load of the model server, or name another model or a fallback in "
        "spec.llm. The agent's tasks wait; one tries after 30 s, then at intervals up to 300 s, and all continue when "
        "it succeeds, or when the Secret or spec.llm changes."
    )
    assert "503" in last_error
    assert message in cluster.kubectl("describe", "cagent", NAME).replace("\n", " ")
    cluster.wait_condition("t19", "Dispatched", "AgentNotReady", kind="ctask")
    assert "(InferenceFailing)" in cluster.status("t19")["message"]
    eventually(lambda: model.in_flight == 0, 10.0)
    calls = len(model.requests)
    assert calls <= 9, "five failures, and those that were in flight"
    model.reset()
    assert cluster.condition(NAME, "ModelReady")[1] == "InferenceFailing", "although it lists its models"
    for name in TASKS:
        assert cluster.wait_phase(name, "Succeeded", 90.0)["attempts"][-1].get("counted") is None
    attempts = [each for name in TASKS for each in cluster.status(name)["attempts"] if each["outcome"] == "Failed"]
    assert {(each["errorType"], each["counted"]) for each in attempts} == {("ModelUnavailable", False)}
    cluster.wait_ready(NAME)
