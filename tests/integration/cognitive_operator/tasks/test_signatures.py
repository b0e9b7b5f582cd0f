"""Tasks of a signature, from apply to their end, with an executor that the test plays."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from servers.nats import NatsServer
from support.builders import crd_objects
from support.builders.cognitive_objects import Cluster, agent, custom, task
from support.eventually import eventually
from support.ray_double.server import RayServer
from support.servers.played_executor import executor_of, threaded
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
NAME = "played"
FEATURES = ["custom", "optional_sampling"]
ANSWER = {"verdict": "high", "score": 0.5, "findings": []}
RUNNING, WAITING = 100, 10
AGAIN = "<again>"


@pytest.fixture
def make_executor(cluster: Cluster, nats_server: NatsServer, model: ScriptedModel) -> Callable[..., Any]:
    def make(**spec: Any) -> Any:
        return executor_of(cluster, nats_server, model, NAME, **spec)

    return make


def wait_ready(cluster: Cluster, generation: int) -> None:
    """Wait until the operator has seen a generation of the signature and calls it Ready."""

    def seen() -> bool:
        assert cluster.get("csig", "triage")["status"]["observedGeneration"] == generation
        return cluster.condition("triage", "Ready", "csig")[:2] == ("True", "Valid")

    eventually(seen)


async def test_a_task_waits_for_its_signature_and_its_request_carries_it(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    async with make_executor() as executor:
        executor.lease["features"] = FEATURES
        await threaded(cluster.wait_ready, NAME)
        cluster.apply(custom("judge", NAME))
        await threaded(cluster.wait_condition, "judge", "Dispatched", "SignatureNotFound", kind="ctask")
        assert cluster.status("judge")["phase"] == "Pending"
        wrong = {"input": {"log": "x", "retries": 1}, "output": ANSWER | {"verdict": "medium"}}
        cluster.apply(crd_objects.signature(demonstrations=[wrong]))
        _, message = await threaded(cluster.wait_condition, "triage", "Ready", "InvalidSignature", kind="csig")
        assert message == "spec.demonstrations[0].output.verdict: expected one of low, high."
        await threaded(cluster.wait_condition, "judge", "Dispatched", "SignatureNotReady", kind="ctask")
        cluster.apply(crd_objects.signature())
        request = await executor.take()
        assert request["task_type"] == "custom"
        assert request["input"] == {"log": "OOMKilled", "retries": 1}
        snapshot = request["signature"]
        assert (snapshot["name"], snapshot["generation"], snapshot["module"]) == ("triage", 2, "ChainOfThought")
        assert snapshot["outputs"][0] == {"name": "verdict", "type": "enum", "values": ["low", "high"]}
        await threaded(wait_ready, cluster, 2)
        await executor.complete(request, result=ANSWER)
        status = await threaded(cluster.wait_phase, "judge", "Succeeded")
        assert (status["signature"], status["result"]) == ({"name": "triage", "generation": 2}, ANSWER)


async def test_wrong_input_ends_a_task_and_a_wrong_value_from_elsewhere_waits(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    async with make_executor() as executor:
        executor.lease["features"] = FEATURES
        await threaded(cluster.wait_ready, NAME)
        source = {"as": "retries", "configMapKeyRef": {"name": "facts", "key": "retries"}, "format": "JSON"}
        cluster.kubectl("create", "configmap", "facts", '--from-literal=retries="often"')
        cluster.apply(
            crd_objects.signature(),
            custom("wrong", NAME, input={"log": "x", "retries": 1, "color": "red"}),
            custom("from-map", NAME, input={"log": "x"}, inputFrom=[source]),
        )
        status = await threaded(cluster.wait_phase, "wrong", "Failed")
        assert status["reason"] == "InputInvalid"
        assert status["message"].startswith("spec.input.color: unknown, expected only log, retries (CognitiveSignature")
        assert cluster.condition("wrong", "Accepted", "ctask")[:2] == ("False", "InputInvalid")
        await threaded(cluster.wait_condition, "from-map", "Dispatched", "InputInvalid", kind="ctask")
        message = cluster.status("from-map")["message"]
        assert "spec.inputFrom[as=retries]: ConfigMap" in message
        assert "input.retries: expected an integer" in message
        assert "often" not in message
        assert executor.requests == []


async def test_only_a_task_that_needs_a_feature_waits_for_the_runtime(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    async with make_executor() as executor:
        executor.lease["features"] = ["optional_sampling"]
        await threaded(cluster.wait_ready, NAME)
        cluster.apply(crd_objects.signature(), custom("needy", NAME), task("plain", NAME))
        await threaded(cluster.wait_condition, "needy", "Dispatched", "RuntimeOutdated", kind="ctask")
        assert "lacks features that this task needs: custom" in cluster.status("needy")["message"]
        request = await executor.take()
        assert request["task_name"] == "plain"
        assert "signature" not in request
        await executor.complete(request)
        await threaded(cluster.wait_phase, "plain", "Succeeded")
        assert cluster.condition(NAME, "RuntimeOutdated")[0] == "False"
        executor.lease["features"] = FEATURES
        assert (await executor.take())["task_name"] == "needy"


def test_a_change_under_a_hundred_running_tasks_reaches_none_of_them(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    """A hundred tasks are at the model when the signature changes, and ten wait.

    One of the hundred fails after the change and one is deleted. The retry keeps the generation of its task.
    """
    hold_calls(model, RUNNING)
    wide = {"queue": {"maxConcurrentTasks": RUNNING}, "execution": {"concurrencyPerWorker": RUNNING}}
    retry = {"retryPolicy": {"maxRetries": 1, "backoffSeconds": 0}}
    cluster.apply(
        agent("many", ray_server.address, model.url, **wide, taskDefaults=retry),
        crd_objects.signature(instructions="Generation 1."),
        custom("again", "many", input={"log": AGAIN, "retries": 1}),
        *[custom(f"t{n}", "many") for n in range(RUNNING - 1)],
    )
    eventually(lambda: model.in_flight == RUNNING, 90.0)
    eventually(lambda: all("signature" in status for status in cluster.tasks().values()), 30.0)
    started = {body["metadata"]["uid"]: body["status"]["signature"] for body in cluster.items("ctask")}
    assert list(started.values()) == [{"name": "triage", "generation": 1}] * RUNNING
    cluster.apply(*[custom(f"w{n}", "many") for n in range(WAITING)])
    cluster.apply(crd_objects.signature(instructions="Generation 2."))
    wait_ready(cluster, 2)
    cluster.kubectl("delete", "ctask", "t1", "--wait=false")
    model.release()
    bodies = eventually(lambda: all_succeeded(cluster), 90.0)
    asked = asked_generations(model)
    assert {uid: asked[uid] for uid in started} == {uid: {1} for uid in started}
    named = {body["metadata"]["uid"]: {body["status"]["signature"]["generation"]} for body in bodies}
    assert named == {uid: generations for uid, generations in asked.items() if uid in named}
    assert [named[uid] for uid in named if uid not in started] == [{2}] * WAITING
    assert sum(len(body["status"]["attempts"]) for body in bodies) == len(bodies) + 1


def hold_calls(model: ScriptedModel, count: int) -> None:
    """Let the first calls wait for ``release``; that of the task ``again`` fails then."""
    model.script(contains=AGAIN, is_held=True, status=503, times=1)
    model.script(is_held=True, times=count - 1)


def all_succeeded(cluster: Cluster) -> list[dict[str, Any]]:
    """Return all tasks but the deleted one, once they have succeeded."""
    bodies = cluster.items("ctask")
    assert Counter(body.get("status", {}).get("phase") for body in bodies) == {"Succeeded": RUNNING + WAITING - 1}
    return bodies


def asked_generations(model: ScriptedModel) -> dict[str, set[int]]:
    """Return the generations of the signature in the prompts of each task, by its UID."""
    found: dict[str, set[int]] = defaultdict(set)
    for request in model.requests:
        prompt = str(request.body["messages"])
        (generation,) = [number for number in (1, 2) if f"Generation {number}." in prompt]
        found[request.request_id.rpartition(".")[0]].add(generation)
    return found
