"""An agent with a model server of its own: where it answers, what is made for it, and what is said of it."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.model_server import model_server_name, with_managed_model
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.request import API_KEY_FILE, secret_files
from cognitive_operator.desired.vllm import ServerTerms, desired_deployment, desired_key, desired_service
from cognitive_operator.plan.agent.model.model_server import (
    ObservedServer,
    check_first_inference,
    check_server,
    check_settled,
)
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.model import InferenceResult
from cognitive_operator.status.model import model_status
from support.builders.operator_objects import NOW, agent_body

FOUND = Condition.true(AgentCondition.MODEL_READY, Reason.AVAILABLE, "It lists 1 model")
MISSING = Condition.false(AgentCondition.MODEL_READY, Reason.MODEL_NOT_SERVED, "serves another")
PULL = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
STUCK: Body = {"metadata": {"name": "new"}, "status": {"phase": "Pending", "containerStatuses": [PULL]}}


def agent(model: str = "m", **vllm: Any) -> Agent:
    llm = {"provider": "vllm", "model": model, "vllm": vllm}
    return with_managed_model(Agent.model_validate(agent_body(llm=llm)))


def deployment(agent: Agent, terms: ServerTerms | None = None) -> Body:
    vllm = agent.spec.llm.vllm
    assert vllm is not None
    return desired_deployment(agent, vllm, terms or ServerTerms("uid"))


def seen(*pods: Body, wanted: int = 1, observed: int = 2, **counts: int) -> ObservedServer:
    live = deployment(agent(replicas=wanted))
    live["metadata"]["generation"] = 2
    return ObservedServer(live | {"status": {"observedGeneration": observed, **counts}}, {}, pods)


def test_the_server_is_the_endpoint_and_its_key_the_agents() -> None:
    bound = agent()
    name = model_server_name(bound)
    assert bound.spec.llm.url == f"http://{name}.team.svc:8000/v1"
    assert bound.spec.llm.api_key_secret_ref is not None
    assert (bound.spec.llm.api_key_secret_ref.name, bound.spec.llm.api_key_secret_ref.key) == (name, "api-key")
    assert secret_files(bound.spec.llm) == (API_KEY_FILE,)
    plain = Agent.model_validate(agent_body())
    assert with_managed_model(plain) is plain


def test_the_key_reaches_neither_an_argument_nor_the_mark_of_its_secret() -> None:
    one, other = desired_key(agent(), "one"), desired_key(agent(), "two")
    assert one["data"] != other["data"]
    assert one["metadata"] == other["metadata"]
    assert one["immutable"] is True
    (container,) = deployment(agent())["spec"]["template"]["spec"]["containers"]
    assert not any("key" in argument for argument in container["args"])
    (key,) = [each for each in container["env"] if each["name"] == "VLLM_API_KEY"]
    assert key["valueFrom"]["secretKeyRef"]["name"] == one["metadata"]["name"]


def test_another_key_and_another_model_replace_the_pods_and_the_service_follows() -> None:
    before, after = agent("a"), agent("b")
    one, two = deployment(before), deployment(after)
    assert one["spec"]["selector"] == two["spec"]["selector"]
    assert one["spec"]["template"] != deployment(before, ServerTerms("another"))["spec"]["template"]
    for each, manifest in ((before, one), (after, two)):
        chosen = desired_service(each)["spec"]["selector"].items()
        assert chosen <= manifest["spec"]["template"]["metadata"]["labels"].items()
    assert desired_service(before)["spec"]["selector"] != desired_service(after)["spec"]["selector"]


@pytest.mark.parametrize(
    ("vllm", "modes", "strategy"),
    [
        ({}, (), "RollingUpdate"),
        ({"modelCache": {"size": "1Gi"}}, ("ReadWriteOnce",), "Recreate"),
        ({"modelCache": {"claimName": "c"}}, ("ReadWriteOncePod",), "Recreate"),
        ({"modelCache": {"claimName": "c"}}, ("ReadWriteOnce", "ReadWriteMany"), "RollingUpdate"),
        ({"modelCache": {"claimName": "c"}}, ("ReadOnlyMany",), "RollingUpdate"),
        ({"modelCache": {"size": "1Gi"}, "updateStrategy": "RollingUpdate"}, ("ReadWriteOnce",), "RollingUpdate"),
        ({"updateStrategy": "Recreate"}, (), "Recreate"),
    ],
)
def test_a_volume_that_mounts_once_is_given_up_before_it_is_taken(
    vllm: dict[str, Any], modes: tuple[str, ...], strategy: str
) -> None:
    made = deployment(agent(**vllm), ServerTerms("uid", modes))["spec"]["strategy"]
    assert made["type"] == strategy
    assert made.get("rollingUpdate", {"maxUnavailable": 0})["maxUnavailable"] == 0


def test_a_suspended_server_has_no_pods() -> None:
    made = deployment(agent(replicas=3), ServerTerms("uid", is_suspended=True))
    assert made["spec"]["replicas"] == 0
    check = check_server(agent(), ObservedServer(made, {}))
    assert check is not None
    assert (check.status, check.reason) == ("False", Reason.SUSPENDED)


@pytest.mark.parametrize(
    ("what", "reason", "words"),
    [
        (seen(), Reason.MODEL_STARTING, "the pods are starting"),
        (seen({"metadata": {}, "status": {"phase": "Running"}}), Reason.MODEL_STARTING, "the model is loading"),
        (seen(observed=1, readyReplicas=1), Reason.MODEL_STARTING, "1 of 1"),
        (seen(STUCK), Reason.IMAGE_PULL_FAILED, "no such image"),
    ],
)
def test_a_server_without_ready_pods_says_what_it_waits_for(what: ObservedServer, reason: str, words: str) -> None:
    check = check_server(agent(), what)
    assert check is not None
    assert (check.status, check.reason) == ("False", reason)
    assert words in check.message
    assert model_server_name(agent()) in check.message


def test_a_server_with_a_ready_pod_is_asked() -> None:
    assert check_server(agent(), seen(readyReplicas=1, replicas=2, updatedReplicas=1)) is None


def test_while_it_changes_a_servers_own_trouble_is_nearer_than_its_answer() -> None:
    changing = seen(STUCK, readyReplicas=1, replicas=2, updatedReplicas=1)
    assert check_settled(agent(), changing, MISSING).reason == Reason.IMAGE_PULL_FAILED
    still = check_settled(agent(), changing, FOUND)
    assert still.status == "True"
    assert still.message.startswith("It lists 1 model. The rollout is stuck (ImagePullFailed): Deployment ")
    assert "no such image" in still.message
    done = seen(readyReplicas=1, replicas=1, updatedReplicas=1)
    assert check_settled(agent(), done, MISSING) == MISSING
    assert check_settled(agent(), done, FOUND) == FOUND


def test_only_a_server_that_writes_is_ready() -> None:
    refused = check_first_inference(agent(), FOUND, InferenceResult(ok=False, message="HTTP 400: no chat template"))
    assert (refused.status, refused.reason) == ("False", Reason.MODEL_FAILED)
    assert "no chat template" in refused.message
    proven = check_first_inference(agent(), FOUND, InferenceResult(ok=True, message=""))
    assert proven.status == "True"
    assert proven.message.endswith(" serves m. It lists 1 model.")
    again = check_settled(agent(), seen(STUCK, readyReplicas=1, replicas=2, updatedReplicas=1), proven)
    assert " serves m. It lists 1 model. The rollout is stuck (" in again.message


def test_a_proof_holds_for_one_way_of_being_started() -> None:
    done = seen(readyReplicas=1, replicas=1, updatedReplicas=1)
    assert done.proof != seen(readyReplicas=1, replicas=2, updatedReplicas=1).proof
    other = ObservedServer({**deployment(agent(maxModelLen=512)), "status": done.deployment["status"]}, {})
    assert done.proof != other.proof


def test_the_status_tells_what_was_measured() -> None:
    trial = InferenceResult(ok=True, message="", first_token_s=0.1314, tokens_per_second=12.34)
    told = model_status(agent(), "d", (1, 2), trial, NOW)["model"]
    assert (told["timeToFirstTokenMilliseconds"], told["tokensPerSecond"], told["provenAt"]) == (131, 12.3, NOW)
    assert (told["readyReplicas"], told["replicas"], told["deployment"]) == (1, 2, "d")
    failed = model_status(agent(), "d", (1, 1), InferenceResult(ok=False, message=""), NOW)["model"]
    assert failed["tokensPerSecond"] is failed["provenAt"] is None
    assert model_status(agent(), None, (0, 0), None, "") == {"model": None}
