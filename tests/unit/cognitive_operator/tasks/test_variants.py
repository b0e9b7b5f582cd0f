"""Variants of an agent: their choice, their settings and the readiness of their models."""

import uuid
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.llm import Variant
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.variants import varied_agent
from cognitive_operator.desired.ray_job import executor_arguments
from cognitive_operator.desired.ray_pods import pod_template
from cognitive_operator.desired.request import desired_request
from cognitive_operator.desired.variant import with_variant
from cognitive_operator.plan.agent.features import needed_features
from cognitive_operator.plan.agent.model.circuit_breaker import opened_by_error
from cognitive_operator.plan.attempt.in_flight import attempt_end
from cognitive_operator.plan.task import TaskPlan, plan_task
from cognitive_operator.plan.variant import chosen_variant, task_variant
from cognitive_operator.ports.model import InferenceResult, ModelProbeResult, ModelTarget
from cognitive_operator.reconcile.agent.model.variants import with_variants
from support.builders import operator_objects as o
from support.fakes.kube import FakeSecrets

BASE = {
    "provider": "vllm",
    "model": "small",
    "endpoint": "http://model/v1",
    "apiKeySecretRef": {"name": "own"},
    "temperature": 0.2,
    "topP": 1,
}
HOSTED = {"name": "hosted", "provider": "openai", "model": "gpt-4o-mini", "apiKeySecretRef": {"name": "hosted"}}
PROMPT = {"name": "prompt", "weight": 3, "systemPrompt": "Answer in one sentence.", "temperature": 0}


def agent(*variants: dict[str, Any], **spec: Any) -> Agent:
    return Agent.model_validate(o.agent_body(llm=BASE | {"variants": list(variants)}, systemPrompt="Be brief.", **spec))


def task(**status: Any) -> Task:
    return Task.model_validate(o.task_body(status))


def weighted(**weights: int) -> list[Variant]:
    return [Variant(name=name, weight=weight) for name, weight in weights.items()]


def uids(number: int) -> list[str]:
    chance = Random(7)
    return [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(number)]


def test_tasks_are_divided_by_the_weights() -> None:
    found = Counter(chosen_variant(uid, weighted(a=1, none=0, b=3)) for uid in uids(20_000))
    assert set(found) == {"a", "b"}
    assert abs(found["a"] - 5000) < 4 * (20_000 * 0.25 * 0.75) ** 0.5  # four standard deviations


def test_the_same_uid_has_the_same_variant_in_every_process() -> None:
    variants = weighted(a=1, b=1, c=1)
    assert [chosen_variant(f"uid-{n}", variants) for n in range(6)] == ["b", "a", "c", "c", "b", "a"]


def test_a_task_that_has_an_attempt_keeps_its_variant_whatever_the_weights_are() -> None:
    drained = agent(HOSTED | {"weight": 0}, PROMPT)
    assert task_variant(task(variant="hosted"), drained) == "hosted"
    assert task_variant(task(), drained) == "prompt"


def test_a_task_whose_variant_was_removed_gets_another_one() -> None:
    assert task_variant(task(variant="hosted"), agent(PROMPT)) == "prompt"
    assert task_variant(task(variant="hosted"), agent()) is None


def test_weights_that_sum_to_nothing_choose_none() -> None:
    assert chosen_variant("uid", weighted(a=0, b=0)) is None


def test_the_status_names_the_variant_before_an_attempt_is_published() -> None:
    assert plan_task(o.facts(agent=agent(PROMPT))) == TaskPlan(patch={"variant": "prompt"}, publish=1)
    named = o.task_body({"variant": "prompt"})
    assert plan_task(o.facts(named, agent=agent(PROMPT))) == TaskPlan(publish=1)
    assert plan_task(o.facts(named, agent=agent())) == TaskPlan(patch={"variant": None}, publish=1)


def request_of(name: str | None) -> dict[str, Any]:
    found = agent(HOSTED, PROMPT)
    request = desired_request(task(), found, o.key(), b"m" * 32, o.NOW)
    content: dict[str, Any] = with_variant(request, found, name).model_dump()
    return content


def test_a_variant_with_a_server_of_its_own_gets_no_key_of_another() -> None:
    content = request_of("hosted")
    llm = content["agent"]["llm"]
    assert (content["variant"], llm["model"], llm["provider"]) == ("hosted", "gpt-4o-mini", "openai")
    assert (llm["endpoint"], llm["api_key_file"]) == ("https://api.openai.com/v1", "llm-api-key-variant-hosted")
    assert (llm["temperature"], content["agent"]["system_prompt"]) == (0.2, "Be brief.")
    keyless = agent({"name": "x", "endpoint": "http://other/v1", "model": "m"})
    request = desired_request(task(), keyless, o.key(), b"m" * 32, o.NOW)
    assert with_variant(request, keyless, "x").agent.llm.api_key_file is None


def test_a_variant_of_the_prompt_keeps_the_rest() -> None:
    content, plain = request_of("prompt"), request_of(None)
    assert content["agent"]["system_prompt"] == "Answer in one sentence."
    assert content["agent"]["llm"] == plain["agent"]["llm"] | {"temperature": 0}
    assert "variant" not in plain


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "large"),
        ("maxTokens", 64),
        ("temperature", 1.5),
        ("topP", 0.5),
        ("structuredOutput", "Text"),
        ("reasoning", {"effort": "low", "maxTokens": 5}),
        ("extraBody", {"top_k": 1}),
    ],
)
def test_each_setting_of_a_variant_has_an_effect(field: str, value: Any) -> None:
    found = agent({"name": "x", field: value})
    request = with_variant(desired_request(task(), found, o.key(), b"m" * 32, o.NOW), found, "x")
    plain = desired_request(task(), agent(), o.key(), b"m" * 32, o.NOW)
    before, after = plain.agent.llm.model_dump(), request.agent.llm.model_dump()
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert len(changed) == 1
    assert changed.pop().replace("_", "") == field.lower()


def test_the_api_version_of_a_variant_has_an_effect() -> None:
    azure = {"provider": "azure", "endpoint": "https://x.openai.azure.com", "apiVersion": "2024-10-21", "model": "m"}
    found = agent({"name": "x"} | azure)
    request = with_variant(desired_request(task(), found, o.key(), b"m" * 32, o.NOW), found, "x")
    assert (request.agent.llm.provider, request.agent.llm.api_version) == ("azure", "2024-10-21")


def test_executors_wait_for_the_keys_of_variants_and_get_them_mounted() -> None:
    found = agent(HOSTED, PROMPT, ray={"cluster": {}})
    assert "--require-secret llm-api-key-variant-hosted" in executor_arguments(found)
    assert found.spec.ray.cluster is not None
    sources = pod_template(found, found.spec.ray.cluster, "image", "head")["spec"]["volumes"][0]["projected"]["sources"]
    mounted = {item["path"]: s["secret"]["name"] for s in sources for item in s["secret"]["items"]}
    assert mounted["llm-api-key-variant-hosted"] == "hosted"


def test_the_features_of_all_variants_are_needed_and_those_of_no_other_setting() -> None:
    assert needed_features(agent()) == frozenset()
    assert needed_features(agent({"name": "x", "reasoning": {"effort": "low"}})) == {"reasoning"}
    bare = agent({"name": "x", "temperature": 0, "topP": 1})
    llm = bare.spec.llm.model_copy(update={"temperature": None})
    spec = bare.spec.model_copy(update={"llm": llm})
    assert needed_features(bare.model_copy(update={"spec": spec})) == frozenset()


def test_a_refused_key_names_the_secret_of_the_variant() -> None:
    end = attempt_end(o.key(), o.failed(1, "CredentialsRefused", retryable=False, variant="hosted", endpoint=None))
    circuit = opened_by_error(agent(HOSTED, PROMPT), end, 0.0)
    assert circuit is not None
    assert "https://api.openai.com/v1 refuses the API key" in circuit.message
    assert "Secret team/hosted (key api-key)" in circuit.message


@dataclass
class Probe:
    """Endpoints with the models that they list, and what they were asked with."""

    up: dict[str, tuple[str, ...]]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    async def infer(self, target: ModelTarget, model: str, api_key: str | None, timeout_s: float) -> InferenceResult:
        raise AssertionError("a variant is not asked for an inference")

    async def check(self, target: ModelTarget, api_key: str | None) -> ModelProbeResult:
        self.asked.append((target.endpoint, api_key))
        models = self.up.get(target.endpoint)
        reason = Reason.MODEL_UNREACHABLE if models is None else Reason.AVAILABLE
        return ModelProbeResult(models is not None, reason, f"{target.endpoint}: {reason}", models or ())


READY = Condition.true(AgentCondition.MODEL_READY, Reason.AVAILABLE, "lists 1 model")
SECRETS = {("team", "own", "api-key"): "k", ("team", "hosted", "api-key"): "h"}
ENDPOINT = {"name": "other", "endpoint": "http://other/v1", "model": "m"}


async def ready(probe: Probe, found: Agent, secrets: dict[tuple[str, str, str], str] = SECRETS) -> Condition:
    return await with_variants(FakeSecrets(values=dict(secrets)), probe, found, READY)


async def test_models_of_variants_that_new_tasks_can_have_are_checked() -> None:
    probe = Probe({"http://model/v1": ("small", "large"), "https://api.openai.com/v1": (), "http://other/v1": ("m",)})
    variants: list[dict[str, Any]] = [
        HOSTED,
        PROMPT,
        ENDPOINT,
        {"name": "l", "model": "large"},
        ENDPOINT | {"name": "off", "weight": 0},
    ]
    assert await ready(probe, agent(*variants)) == READY
    assert probe.asked == [("https://api.openai.com/v1", "h"), ("http://other/v1", None), ("http://model/v1", "k")]


async def test_a_variant_without_its_model_makes_the_agent_wait() -> None:
    found = await ready(Probe({"http://model/v1": ("small",)}), agent({"name": "l", "model": "large"}))
    assert (found.status, found.reason) == ("False", "ModelNotServed")
    assert found.message == (
        "Variant l (spec.llm.variants[0]): http://model/v1 does not serve spec.llm.variants[0].model 'large'; it "
        "serves small."
    )
    found = await ready(Probe({}), agent(PROMPT, ENDPOINT))
    assert (found.status, found.reason) == ("False", "ModelUnreachable")
    assert "Variant other (spec.llm.variants[1])" in found.message


async def test_a_variant_without_its_secret_makes_the_agent_wait() -> None:
    found = await ready(Probe({}), agent(HOSTED), {})
    assert (found.status, found.reason) == ("False", "SecretNotFound")
    assert found.message.startswith("spec.llm.variants[0].apiKeySecretRef: ")


async def test_a_fallback_stands_in_for_the_server_of_a_variant() -> None:
    body = o.agent_body(llm=BASE | {"variants": [ENDPOINT], "fallbacks": [{"model": "f", "endpoint": "http://f/v1"}]})
    found = await ready(Probe({"http://f/v1": ()}), Agent.model_validate(body))
    assert (found.status, found.reason) == ("True", "Available")


async def test_an_agent_whose_own_model_is_not_ready_checks_no_variant() -> None:
    first, probe = Condition.false(AgentCondition.MODEL_READY, Reason.MODEL_NOT_SERVED, "x"), Probe({})
    assert await with_variants(FakeSecrets(), probe, agent(ENDPOINT), first) == first
    assert not probe.asked


def test_an_unknown_variant_changes_nothing() -> None:
    found = agent(PROMPT)
    assert varied_agent(found, "absent") is found
