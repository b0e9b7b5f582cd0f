"""Tasks of a signature, from apply to their end, with an executor that the test plays."""

from collections.abc import Callable
from typing import Any

import pytest

from servers.nats import NatsServer
from support.builders import crd_objects
from support.builders.cognitive_objects import Cluster, custom, task
from support.eventually import eventually
from support.servers.played_executor import executor_of, threaded
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_executor import WireExecutor

pytestmark = [pytest.mark.integration]
NAME = "played"
FEATURES = ["custom", "optional_sampling"]
ANSWER = {"verdict": "high", "score": 0.5, "findings": []}
TASKS, SLOTS = 100, 40


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


async def test_a_change_under_a_hundred_tasks_reaches_no_started_task(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    """Forty tasks run when the signature changes; one of them fails once, and its retry keeps the generation."""
    defaults = {"retryPolicy": {"maxRetries": 1, "backoffSeconds": 0}}
    async with make_executor(queue={"maxConcurrentTasks": SLOTS}, taskDefaults=defaults) as executor:
        executor.lease |= {"features": FEATURES, "capacity": TASKS}
        await threaded(cluster.wait_ready, NAME)
        cluster.apply(crd_objects.signature(instructions="Generation 1."))
        cluster.apply(*[custom(f"t{n}", NAME) for n in range(TASKS)])
        first = [await executor.take() for _ in range(SLOTS)]
        cluster.apply(crd_objects.signature(instructions="Generation 2."))
        await threaded(wait_ready, cluster, 2)
        cluster.kubectl("delete", "ctask", first[1]["task_name"], "--wait=false")
        await executor.fail(first[0], "ModelTimeout", error="no answer", retryable=True)
        for request in first[2:]:
            await executor.complete(request, result=ANSWER)
        for _ in range(TASKS - SLOTS + 1):
            await executor.complete(await executor.take(), result=ANSWER)
        statuses = await threaded(eventually, lambda: all_succeeded(cluster), 60.0)
    assert_one_generation_each(executor, statuses, started={request["task_name"] for request in first})
    retried = [each for each in executor.requests if each["task_name"] == first[0]["task_name"]]
    assert [each["signature"]["instructions"] for each in retried] == ["Generation 1."] * 2


def all_succeeded(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Return the statuses of all tasks once they have succeeded."""
    statuses = cluster.tasks()
    assert len(statuses) == TASKS - 1
    assert {status.get("phase") for status in statuses.values()} == {"Succeeded"}
    return statuses


def assert_one_generation_each(executor: WireExecutor, statuses: dict[str, dict[str, Any]], started: set[str]) -> None:
    for request in executor.requests:
        name, snapshot = request["task_name"], request["signature"]
        generation = 1 if name in started else 2
        assert (snapshot["generation"], snapshot["instructions"]) == (generation, f"Generation {generation}.")
        if name in statuses:
            assert statuses[name]["signature"] == {"name": "triage", "generation": generation}
