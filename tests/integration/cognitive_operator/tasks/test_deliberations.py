"""Tasks with a deliberation, and proposals, from apply to their end, with an executor that the test plays."""

from collections.abc import Callable
from typing import Any

import pytest

from servers.nats import NatsServer
from support.builders import crd_objects
from support.builders.cognitive_objects import Cluster, custom, task
from support.builders.golden_wire import golden_fields
from support.servers.played_executor import executor_of, threaded
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
NAME = "played"
JUDGE = crd_objects.signature(
    "best-fix",
    inputs=[{"name": "candidates", "type": "list", "items": {"type": "string"}}],
    outputs=[{"name": "best", "type": "integer"}],
    demonstrations=[],
)
JUDGED = {"members": 3, "selection": {"method": "Judge", "judgeRef": {"name": "best-fix"}}}
VERDICT = {"members": 3, "quorum": 1, "diversity": False, "selection": {"method": "Majority", "field": "verdict"}}
PROPOSAL: dict[str, Any] = {"input": {"task_description": "Speed up the cart.", "diversity": True}}
WHOLE = golden_fields("completed_deliberation.json")


@pytest.fixture
def make_executor(cluster: Cluster, nats_server: NatsServer, model: ScriptedModel) -> Callable[..., Any]:
    def make(**spec: Any) -> Any:
        return executor_of(cluster, nats_server, model, NAME, **spec)

    return make


async def test_a_judged_task_waits_for_its_judge_and_shows_its_members(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    async with make_executor() as executor:
        await threaded(cluster.wait_ready, NAME)
        cluster.apply(task("judged", NAME, deliberation=JUDGED))
        await threaded(cluster.wait_condition, "judged", "Dispatched", "SignatureNotFound", kind="ctask")
        cluster.apply(JUDGE)
        request = await executor.take()
        sent = request["deliberation"]
        assert (sent["members"], sent["quorum"], sent["diversity"]) == (3, 2, True)
        assert (sent["selection"]["method"], sent["selection"]["judge"]["name"]) == ("Judge", "best-fix")
        assert "signature" not in request
        given = {name: WHOLE[name] for name in ("result", "usage", "deliberation")}
        await executor.complete(request, **given)
        found = await threaded(cluster.wait_phase, "judged", "Succeeded")
        assert found["usage"]["totalTokens"] == WHOLE["usage"]["total_tokens"]
        shown = found["deliberation"]
        assert (shown["method"], shown["selected"], shown["judge"]["generation"]) == ("Judge", 2, 2)
        assert [each["outcome"] for each in shown["members"]] == ["Failed", "Succeeded", "Succeeded"]
        assert shown["members"][2]["result"]["proposed_solution"] == "Set replicas to 3."
        assert found["attempts"][0]["tokens"] == WHOLE["usage"]["total_tokens"]


async def test_a_failed_deliberation_is_retried_and_shows_its_members_in_the_end(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    async with make_executor(taskDefaults={"retryPolicy": {"maxRetries": 1, "backoffSeconds": 0}}) as executor:
        await threaded(cluster.wait_ready, NAME)
        cluster.apply(crd_objects.signature(), custom("counted", NAME, deliberation=VERDICT))
        members = [
            each | {"outcome": "Failed", "error_type": "ModelTimeout"} for each in WHOLE["deliberation"]["members"]
        ]
        lost = {"method": "Majority", "selected": None, "members": members}
        for _ in range(2):
            request = await executor.take()
            assert (request["task_type"], request["deliberation"]["quorum"]) == ("custom", 1)
            assert request["deliberation"]["selection"] == {"method": "Majority", "field": "verdict"}
            await executor.fail(request, "ModelTimeout", error="0 of 3 answered", retryable=True, deliberation=lost)
        found = await threaded(cluster.wait_phase, "counted", "Failed")
        assert (found["reason"], found["attempt"]) == ("ModelTimeout", 2)
        assert "selected" not in found["deliberation"]
        assert {each["errorType"] for each in found["deliberation"]["members"]} == {"ModelTimeout"}


async def test_deliberations_and_proposals_wait_for_a_runtime_that_knows_them(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    async with make_executor() as executor:
        executor.lease["features"] = ["optional_sampling"]
        await threaded(cluster.wait_ready, NAME)
        agreed = {"members": 2, "selection": {"method": "Agreement"}}
        cluster.apply(task("agreed", NAME, deliberation=agreed), task("proposed", NAME, type="Proposal", **PROPOSAL))
        for name, feature in (("agreed", "deliberation"), ("proposed", "proposal")):
            await threaded(cluster.wait_condition, name, "Dispatched", "RuntimeOutdated", kind="ctask")
            assert f"lacks features that this task needs: {feature}." in cluster.status(name)["message"]
        assert executor.requests == []
        executor.lease["features"] = ["deliberation", "optional_sampling", "proposal"]
        requests = {request["task_name"]: request for request in [await executor.take(), await executor.take()]}
        assert requests["proposed"]["task_type"] == "proposal"
        assert requests["proposed"]["input"] == PROPOSAL["input"]
        assert "deliberation" not in requests["proposed"]
        result = {"proposal": "Cache it."}
        await executor.complete(requests["proposed"], result=result, confidence=None)
        found = await threaded(cluster.wait_phase, "proposed", "Succeeded")
        assert (found["result"], "deliberation" in found) == (result, False)
