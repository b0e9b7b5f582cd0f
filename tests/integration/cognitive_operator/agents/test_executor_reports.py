"""The effect of an executor's reports on its agent and its tasks, from lease and response to their status."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from servers.nats import NatsServer
from support.builders.cognitive_objects import Cluster, task
from support.eventually import eventually
from support.servers.played_executor import executor_of, threaded
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
NAME = "reported"
CODE = '```sh\nkubectl patch deploy api -p \'{"spec":{"replicas":3}}\'  # C:\\temp\\n "quoted"\n```\n'
LONG = (CODE * 100)[:6000]
RESULT = {
    "thought": LONG,
    "proposed_solution": LONG,
    "output": {
        "steps": [f'{n}. "step" \\ {n}' for n in range(20)],
        "nested": {"deep": [{"a": None, "b": [1.5, True]}]},
    },
}


@pytest.fixture
def make_executor(cluster: Cluster, nats_server: NatsServer, model: ScriptedModel) -> Callable[..., Any]:
    def make(**llm: Any) -> Any:
        return executor_of(cluster, nats_server, model, NAME, llm=llm)

    return make


async def test_tasks_wait_for_a_runtime_that_has_the_features(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    async with make_executor(reasoning={"effort": "low"}) as executor:
        executor.lease["features"] = ["optional_sampling"]
        status, message = await threaded(cluster.wait_condition, NAME, "RuntimeOutdated", "FeatureMissing")
        assert status == "True"
        assert "spec.ray.address" in message
        assert "reasoning" in message
        cluster.apply(task("t", NAME))
        await threaded(cluster.wait_condition, "t", "Dispatched", "RuntimeOutdated", kind="ctask")
        assert cluster.status("t")["phase"] == "Queued"
        executor.lease["features"] = ["optional_sampling", "reasoning"]
        request = await executor.take()
        assert request["agent"]["llm"]["reasoning"] == {"effort": "low"}
        assert {"temperature", "top_p"} & set(request["agent"]["llm"]) == set()
        await executor.complete(request)
        await threaded(cluster.wait_phase, "t", "Succeeded")
        assert cluster.condition(NAME, "RuntimeOutdated")[0] == "False"


async def test_a_refused_key_holds_the_queue_until_the_secret_changes(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    cluster.kubectl("create", "secret", "generic", "model-key", "--from-literal=api-key=wrong")
    async with make_executor(apiKeySecretRef={"name": "model-key"}) as executor:
        await threaded(cluster.wait_ready, NAME)
        tasks = [task(f"t{n}", NAME, retryPolicy={"maxRetries": 0}) for n in range(4)]
        cluster.apply(tasks[0])
        await executor.fail(await executor.take(), "CredentialsRefused", error="HTTP 401.", retryable=False)
        status, message = await threaded(cluster.wait_condition, NAME, "ModelReady", "CredentialsRefused")
        assert status == "False"
        assert "Secret" in message
        assert "model-key" in message
        cluster.apply(*tasks[1:])
        await threaded(cluster.wait_condition, "t3", "Dispatched", "AgentNotReady", kind="ctask")
        assert "CredentialsRefused" in cluster.status("t3")["message"]
        assert len(executor.requests) == 1
        cluster.kubectl("patch", "secret", "model-key", "-p", '{"stringData": {"api-key": "right"}}')
        began_s = time.monotonic()
        for _ in tasks:
            await executor.complete(await executor.take(25.0))
        assert time.monotonic() - began_s < 25.0, "before one task would have tried"
        for n in range(4):
            await threaded(cluster.wait_phase, f"t{n}", "Succeeded")
        first = cluster.status("t0")["attempts"]
        assert [each.get("errorType") for each in first] == ["CredentialsRefused", None]
        await threaded(cluster.wait_ready, NAME)


async def test_learnt_behaviour_goes_from_a_response_to_the_status_and_to_the_next_request(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    async with make_executor() as executor:
        await threaded(cluster.wait_ready, NAME)
        endpoint = cluster.get("cagent", NAME)["spec"]["llm"]["endpoint"]
        behaviour = {"endpoint": endpoint, "model": NAME, "refused": ["temperature", "top_p"], "output": "JSONObject"}
        behaviour |= {"bounded": False, "learnt_at": time.time()}
        cluster.apply(task("t1", NAME))
        first = await executor.take()
        assert "learnt" not in first["agent"]["llm"]
        await executor.complete(first, learnt=[behaviour])
        await threaded(cluster.wait_phase, "t1", "Succeeded")
        told = "The server does not take temperature and top_p: they are not sent."

        def shown() -> list[dict[str, Any]]:
            assert told in cluster.condition(NAME, "ModelReady")[2]
            found: list[dict[str, Any]] = cluster.get("cagent", NAME)["status"]["modelBehaviour"]
            return found

        (written,) = await threaded(eventually, shown)
        assert (written["refused"], written["output"]) == (["temperature", "top_p"], "JSONObject")
        cluster.apply(task("t2", NAME))
        second = await executor.take()
        assert second["agent"]["llm"]["learnt"] == [behaviour]
        await executor.complete(second)
        await threaded(cluster.wait_phase, "t2", "Succeeded")
        cluster.patch("cagent", NAME, {"spec": {"llm": {"maxTokens": 2048}}})
        await threaded(eventually, lambda: "modelBehaviour" not in cluster.get("cagent", NAME)["status"])


async def test_any_text_list_and_object_of_an_answer_is_in_the_status_as_it_came(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    async with make_executor() as executor:
        await threaded(cluster.wait_ready, NAME)
        cluster.apply(task("t", NAME))
        ref = {"bucket": "b", "name": "t.1.reasoning", "size_bytes": 9000, "sha256": "ab" * 32}
        await executor.complete(await executor.take(), result=RESULT, reasoning=LONG[:4000], reasoning_ref=ref)
        await threaded(cluster.wait_phase, "t", "Succeeded")
        status = yaml.safe_load(cluster.kubectl("get", "ctask", "t", "-o", "yaml"))["status"]
        assert status["result"] == RESULT
        assert status["reasoning"] == LONG[:4000]
        assert status["reasoningRef"] == {
            "bucket": "b",
            "name": "t.1.reasoning",
            "sizeBytes": 9000,
            "sha256": "ab" * 32,
        }


async def test_a_hybrid_agent_waits_for_its_application_and_shows_the_place_of_each_attempt(
    cluster: Cluster, nats_server: NatsServer, model: ScriptedModel
) -> None:
    execution = {"mode": "Hybrid", "complexityThreshold": 0.6, "complexityByType": {"TaskPlanning": 0.7}}
    async with executor_of(cluster, nats_server, model, NAME, execution=execution) as executor:
        executor.lease |= {"features": ["optional_sampling"]}
        message = (await threaded(cluster.wait_condition, NAME, "RuntimeOutdated", "FeatureMissing"))[1]
        assert "serve" in message
        taken = "the route /cognitive/default/sre belongs to the Serve application 'other'"
        executor.lease |= {"features": ["optional_sampling", "serve"]}
        executor.lease |= {"ready": False, "reason": "RouteTaken", "message": taken}
        status, message = await threaded(cluster.wait_condition, NAME, "ExecutorReady", "RouteTaken")
        assert (status, message) == ("False", taken)
        cluster.apply(task("simple", NAME, complexity=0.59), task("hard", NAME, complexity=0.6), task("plain", NAME))
        await threaded(cluster.wait_condition, "hard", "Dispatched", "AgentNotReady", kind="ctask")
        executor.lease |= {"ready": True, "reason": None, "message": None}
        places = {}
        cluster.apply(task("typed", NAME, "TaskPlanning"))
        for _ in range(4):
            request = await executor.take()
            places[request["task_name"]] = request["placement"]
            assert request["mode"] == "Embedded"
            await executor.complete(request)
        assert places == {"simple": "Embedded", "hard": "Serve", "plain": "Embedded", "typed": "Serve"}
        for name, complexity, reason in (
            ("simple", 0.59, "TaskComplexity"),
            ("hard", 0.6, "TaskComplexity"),
            ("plain", 0, "NoComplexity"),
            ("typed", 0.7, "TypeComplexity"),
        ):
            (attempt,) = (await threaded(cluster.wait_phase, name, "Succeeded"))["attempts"]
            assert (attempt["mode"], attempt["placement"], attempt["complexity"]) == (
                "Embedded",
                places[name],
                complexity,
            )
            assert attempt["placementReason"] == reason
