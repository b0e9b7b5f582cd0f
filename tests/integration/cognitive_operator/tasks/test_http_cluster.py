"""The HTTP API of a cluster, with the operator and an executor: the results of a core in process."""

from collections.abc import Iterator
from typing import Any

import pytest

from cognitive_runtime.cognitive_core import CognitiveCore
from cognitive_runtime.domain import CognitiveContext, CognitiveTaskType
from cognitive_runtime.llm_config import LLMConfig
from controlplane import ControlPlane
from support.builders.cognitive_objects import INPUTS, Cluster
from support.cluster.api_client import ApiClient
from support.cluster.http_cluster import CALLER_RULES, Caller, account, serving
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
OPERATIONS = {
    "FailureAnalysis": ("reason-about-failure", CognitiveTaskType.FAILURE_ANALYSIS),
    "TaskPlanning": ("plan-task", CognitiveTaskType.TASK_PLANNING),
    "DecisionMaking": ("make-decision", CognitiveTaskType.DECISION_MAKING),
    "ProblemSolving": ("solve-problem", CognitiveTaskType.PROBLEM_SOLVING),
    "MemorySynthesis": ("synthesize-memory", CognitiveTaskType.MEMORY_SYNTHESIS),
    "CapabilityAssessment": ("assess-capabilities", CognitiveTaskType.CAPABILITY_ASSESSMENT),
}
OF_THE_TASK = {"task", "namespace"}


@pytest.fixture(scope="module")
def caller(control_plane: ControlPlane, api: ApiClient, home: Cluster) -> Iterator[Caller]:
    """A service account that calls the agent ``thinker``."""
    namespace = home.kubectl.namespace or ""
    token = account(api, namespace, "http-caller", CALLER_RULES)
    with serving(control_plane.kubeconfig_path, namespace=namespace, agent="thinker") as url:
        yield Caller(url, token)


@pytest.mark.parametrize("type_", list(OPERATIONS))
def test_each_call_has_the_result_of_a_core_in_process(
    caller: Caller, home: Cluster, model: ScriptedModel, type_: str
) -> None:
    operation, task_type = OPERATIONS[type_]
    given: dict[str, Any] = INPUTS[type_]
    body = {"incident_context": given} if type_ == "FailureAnalysis" else given
    reply = caller.post(operation, {**body, "agent_id": "a1"})
    assert reply.status_code == 200, reply.text
    found = reply.json()
    local = CognitiveCore(config=LLMConfig(provider="local", model="thinker", api_base=model.url))
    expected = local(CognitiveContext("a1", task_type, given))
    of_the_agent = {"provider", "energy_cost"}
    assert found.keys() - OF_THE_TASK == expected.keys()
    assert {name: found[name] for name in expected.keys() - of_the_agent} == {
        name: expected[name] for name in expected.keys() - of_the_agent
    }
    assert home.status(found["task"])["phase"] == "Succeeded"


def test_a_failure_of_the_model_is_that_of_a_core_in_process(caller: Caller, model: ScriptedModel) -> None:
    model.script(status=400)
    reply = caller.post("solve-problem", INPUTS["ProblemSolving"])
    assert (reply.status_code, reply.json()["error_type"], reply.json()["success"]) == (502, "BadRequest", False)
    assert caller.request("GET", "/cognitive/health").json()["status"] == "healthy"
