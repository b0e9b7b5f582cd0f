"""Objects that the API server accepts, and their stored form."""

import json
from typing import Any

import pytest

from support.builders.crd_objects import INPUTS, agent, sample, source, task, with_one_source
from support.builders.crd_schema import defaulted, examples, part
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration
OWN_MODEL = {"provider": "vllm", "endpoint": None}
"""The model of an agent that brings up its server."""
ANY_JSON = {
    "null": None,
    "numbers": [0, -1, 1.5, 1e-9, 2**53],
    "nested": {"list": [[{"deep": [True, None, "x"]}]], "": "empty key", "key with space": 1},
    "scripts": "naïve 故障 отказ عطل 💥 \u202eright to left",
    "controls": "bell \u0007, nul \u0000, escape \u001b[31m, tab \t, return \r\n, separator \u2028",
    "shell": "$(reboot) `id` ; rm -rf / && %s {{.}} ${HOME} 100% <b>&amp;",
}
PLAN: dict[str, Any] = {
    "thought": "t",
    "step_by_step_plan": ["s"],
    "estimated_complexity": 3,
    "complexity_rationale": "r",
    "risk_assessment": "none",
}
"""The required outputs of a TaskPlanning."""


def test_an_agent_gets_its_defaults(home: Namespace) -> None:
    llm = {"apiKeySecretRef": {"name": "openai"}}
    assert home.stored(agent(llm=llm)) == {
        "role": "DEV",
        "llm": {
            "provider": "openaiCompatible",
            "model": "gemma-3-270m-it",
            "endpoint": "http://llm.models.svc:8000/v1",
            "apiKeySecretRef": {"name": "openai", "key": "api-key"},
            "maxTokens": 1024,
            "structuredOutput": "Auto",
            "timeoutSeconds": 60,
            "maxRetries": 3,
            "retryDelaySeconds": 1,
            "frequencyPenalty": 0,
            "presencePenalty": 0,
            "stream": False,
            "logging": {"requests": True, "responses": False, "tokens": True},
            "cache": {"enabled": False, "ttlSeconds": 3600, "backend": "Ray"},
        },
        "ray": {"address": "http://ray-head.ray.svc:8265"},
        "execution": {"mode": "Embedded", "workers": 1, "concurrencyPerWorker": 8},
        "queue": {"maxConcurrentTasks": 8, "weight": 1},
        "taskDefaults": {
            "timeoutSeconds": 300,
            "retryPolicy": {"maxRetries": 2, "backoffSeconds": 5, "afterSideEffects": "Never"},
        },
        "energy": {"costPerCharacter": 0.01},
        "budget": {},
    }


def test_an_agent_keeps_what_it_says_beside_the_defaults(home: Namespace) -> None:
    given: dict[str, Any] = {"taskDefaults": {"retryPolicy": {"maxRetries": 0}}, "execution": {"mode": "Job"}}
    assert home.stored(agent(**given)) == defaulted(agent(**given)["spec"], part("CognitiveAgent", "spec"))


def test_free_settings_of_an_agent_are_stored_as_they_came(home: Namespace) -> None:
    example = {"type": "TaskPlanning", "input": {"task_description": "x", "more": ANY_JSON}, "output": PLAN | ANY_JSON}
    given: dict[str, Any] = {
        "llm": {"extraBody": {"chat_template_kwargs": ANY_JSON, "seed": None}},
        "demonstrations": [example],
    }
    stored = home.stored(agent(**given))
    assert stored["llm"]["extraBody"] == given["llm"]["extraBody"]
    assert stored["demonstrations"] == [example]
    home.patch("CognitiveAgent", f"{agent()['metadata']['name']}/status", {"status": {"queued": 1}})


def test_settings_that_an_agent_no_longer_gets_by_default_stay_absent(home: Namespace) -> None:
    llm = home.stored(agent(llm={"temperature": None, "topP": None}))["llm"]
    assert {"temperature", "topP"} & set(llm) == set()


def test_a_task_gets_no_defaults(home: Namespace) -> None:
    assert home.stored(task()) == task()["spec"]


@pytest.mark.parametrize(
    "spec",
    [
        {"role": "Release Captain", "roleProbabilities": {"E": 0.7, "S": 0.2, "O": 0.1}},
        {"roleProbabilities": {"E": 1, "S": 0, "O": 0}},
        {"roleProbabilities": {"E": 0.3333333, "S": 0.3333333, "O": 0.3333333}},
        {"systemPrompt": "故" * 5461},
        {"systemPrompt": ""},
        {"llm": {"endpoint": "https://api.openai.com", "provider": "openai"}},
        {"llm": {"cache": {"backend": "Redis"}, "redisSecretRef": {"name": "r"}}},
        {"llm": {"rateLimit": {"backend": "Redis"}, "redisSecretRef": {"name": "r", "key": "u"}}},
        {"llm": {"endpoint": None, "provider": "openai", "apiKeySecretRef": {"name": "k"}}},
        {"llm": {"endpoint": None, "provider": "anthropic", "apiKeySecretRef": {"name": "k"}}},
        {"llm": {"endpoint": None, "provider": "google", "apiKeySecretRef": {"name": "k"}}},
        {"llm": {"endpoint": "https://r.openai.azure.com", "provider": "azure", "apiVersion": "2025-04-01-preview"}},
        {"llm": {"fallbacks": [{"model": "m", "provider": "google", "apiKeySecretRef": {"name": "k"}}]}},
        {"llm": {"endpoint": "http://10.0.0.7:8000/v1/", "topP": 0.001, "temperature": 0, "maxTokens": 64}},
        {"llm": {"endpoint": "http://[::1]:8000/v1", "provider": "vllm", "temperature": 2, "maxTokens": 131072}},
        {"llm": {"endpoint": "http://gateway/~team@home/v1", "model": "org/" + "m" * 249}},
        {"llm": {"frequencyPenalty": -2, "presencePenalty": 2, "retryDelaySeconds": 0, "stream": True}},
        {"llm": {"fallbacks": [{"model": "m", "endpoint": f"http://m{n}/v1", "provider": "vllm"} for n in range(5)]}},
        {"ray": {"address": "https://ray.example.com/dashboard"}},
        {"ray": {"address": "http://ray:8265", "tokenSecretRef": {"name": "t"}}},
        {"ray": {"address": None, "clusterRef": {"name": "shared"}, "tokenSecretRef": {"name": "t", "key": "k"}}},
        {"ray": {"address": None, "cluster": {}}},
        {"ray": {"address": None, "cluster": {"rayVersion": "2.9.3", "authOptions": {"mode": "disabled"}}}},
        {"ray": {"address": None, "cluster": {"rayVersion": "3.0.0", "workers": {"minWorkers": 3}}}},
        {"ray": {"address": None, "cluster": {"autoscaler": {}, "workers": {"minWorkers": 0, "maxWorkers": 1}}}},
        {"ray": {"address": None, "cluster": {"head": {"resources": {"limits": {"cpu": 1, "memory": "1.5Gi"}}}}}},
        {"llm": {**OWN_MODEL, "vllm": {}}},
        {"llm": {**OWN_MODEL, "vllm": {"gpus": 0, "tensorParallelSize": 1, "modelCache": {"claimName": "c"}}}},
        {"llm": {**OWN_MODEL, "vllm": {"gpus": 4, "tensorParallelSize": 4, "gpuResourceName": "amd.com/gpu"}}},
        {"llm": {**OWN_MODEL, "vllm": {"replicas": 2, "modelCache": {"size": "1Gi", "accessMode": "ReadWriteMany"}}}},
        {"llm": {**OWN_MODEL, "vllm": {"extraArgs": ["--max-num-seqs=8", "--enable-prefix-caching"]}}},
        {"execution": {"workers": 64, "concurrencyPerWorker": 256}, "queue": {"maxConcurrentTasks": 10000}},
        {"execution": {"mode": "Job", "job": {"warmSlots": 64}}},
        {"execution": {"mode": "Job", "resources": {"cpu": 1, "memory": "1Gi"}}},
        {"execution": {"mode": "Serve"}},
        {"execution": {"mode": "Hybrid", "complexityThreshold": 0, "serve": {"replicas": 64}}},
        {"execution": {"mode": "Hybrid", "complexityByType": {"TaskPlanning": 1, "Custom": 0.5}}},
        {"execution": {"mode": "Serve", "serve": {"autoscaling": {"maxReplicas": 2}, "maxOngoingRequests": 1000}}},
        {"execution": {"mode": "Serve", "serve": {"public": {"enabled": True, "tokenSecretRef": {"name": "web"}}}}},
        {"execution": {"mode": "Serve", "serve": {"resources": {"cpu": "1.5", "memory": "1Gi"}, "public": {}}}},
        {"execution": {"resources": {"cpu": 2, "memory": 1073741824}}},
        {"queue": {"maxQueuedTasks": 0, "weight": 1}},
        {"queue": {"maxQueuedTasks": 1000000, "weight": 100}},
        {"llm": {"structuredOutput": "Bounded", "reasoning": {"effort": "x_high", "maxTokens": 131072}}},
        {"llm": {"reasoning": {}, "extraBody": {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 20}}},
        {
            "taskDefaults": {
                "retryPolicy": {
                    "onErrorTypes": ["CredentialsRefused", "QuotaExceeded", "ResponseInvalid", "OutputInvalid"]
                }
            }
        },
        {"demonstrations": [{"type": "TaskPlanning", "input": {"task_description": 1}, "output": PLAN}] * 16},
        {"energy": {"costPerCharacter": 0}, "taskDefaults": {"timeoutSeconds": 86400}},
    ],
    ids=lambda spec: json.dumps(spec)[:60],
)
def test_agents_at_their_bounds(default: Namespace, spec: dict[str, Any]) -> None:
    default.create(agent(**spec), dry_run=True)


@pytest.mark.parametrize("kind_of", INPUTS)
def test_a_task_with_its_least_input(home: Namespace, kind_of: str) -> None:
    assert home.stored(task(kind_of=kind_of))["input"] == INPUTS[kind_of]


@pytest.mark.parametrize(
    ("kind_of", "given"),
    [
        ("FailureAnalysis", {"error": "Task failed", "incident_id": "incident_001"}),
        ("ProblemSolving", INPUTS["ProblemSolving"] | {"available_tools": ["profiling", {"name": "tracing"}]}),
        ("ProblemSolving", INPUTS["ProblemSolving"] | {"available_tools": {"profiling": "perf"}}),
        ("CapabilityAssessment", {"agent_performance_data": {"a": 1}, "current_capabilities": {"a": 1}})
    ],
)  # fmt: skip
def test_other_spellings_and_shapes_of_the_seeds(home: Namespace, kind_of: str, given: dict[str, Any]) -> None:
    if kind_of == "CapabilityAssessment":
        given = given | {"target_capabilities": {"a": 2}}
    assert home.stored(task(kind_of=kind_of, input=given))["input"] == given


def test_any_json_is_stored_as_it_came(home: Namespace) -> None:
    given = INPUTS["FailureAnalysis"] | {"agent_state": ANY_JSON, "undeclared": ANY_JSON}
    context = {"memory": ANY_JSON, "energy": {"x": None}}
    more: dict[str, Any] = {"context": context, "constraints": {"language": "de", "more": ANY_JSON}}
    assert home.stored(task(input=given, **more)) == task(input=given, **more)["spec"]
    home.patch("CognitiveTask", "why/status", {"status": {"phase": "Running"}})
    assert home.get("CognitiveTask", "why")["spec"] == task(input=given, **more)["spec"]


def test_every_declared_field_is_stored(home: Namespace) -> None:
    spec = sample(with_one_source(part("CognitiveTask", "spec")), 0) | {"type": "Custom"}
    assert home.stored(task() | {"spec": spec}) == spec


def test_names_may_be_as_long_as_kubernetes_allows(home: Namespace) -> None:
    name = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert len(name) == 253
    home.create(agent(name))
    home.create(task(name, agentRef={"name": name}))
    assert home.get("CognitiveTask", name)["spec"]["agentRef"]["name"] == name


def test_the_examples(home: Namespace) -> None:
    for manifest in examples():
        spec = home.stored(manifest)
        assert spec == defaulted(manifest["spec"], part(manifest["kind"], "spec"))


@pytest.mark.parametrize("kind_of", INPUTS)
def test_required_keys_may_come_from_elsewhere(home: Namespace, kind_of: str) -> None:
    manifest = task("from-elsewhere", kind_of, input=None, inputFrom=[source(key) for key in INPUTS[kind_of]])
    del manifest["spec"]["input"]
    assert home.stored(manifest)["input"] == {}


def test_every_source_of_input_is_accepted(home: Namespace) -> None:
    sources = [
        source("a"),
        {"as": "b", "secretKeyRef": {"name": "s", "key": "k"}, "format": "JSON", "optional": True},
        {"as": "c", "taskRef": {"name": "t"}},
        {"as": "d", "taskRef": {"name": "t", "field": "decision"}},
    ]
    kept = home.stored(task(inputFrom=sources))["inputFrom"]
    assert kept == [{"optional": False} | each for each in sources]
    home.patch("CognitiveTask", "why", {"metadata": {"labels": {"team": "checkout"}}})
    home.patch("CognitiveTask", "why/status", {"status": {"phase": "Running"}})


@pytest.mark.parametrize(
    "spec",
    [
        {"deliberation": {"members": 2, "quorum": 2, "selection": {"method": "Agreement"}}},
        {"deliberation": {"members": 8, "selection": {"method": "Majority", "field": "confidence_score"}}},
        {
            "deliberation": {"members": 3, "selection": {"method": "Majority", "field": "output"}},
            "outputSchema": {"type": "object"},
        },
        {
            "type": "Custom",
            "signatureRef": {"name": "triage"},
            "deliberation": {"members": 3, "selection": {"method": "Majority", "field": "anything"}},
        },
        {"deliberation": {"members": 3, "selection": {"method": "Judge", "judgeRef": {"name": "best-fix"}}}},
    ],
    ids=["Agreement", "Majority", "output", "Custom", "Judge"],
)
def test_a_deliberation_is_stored_as_it_came(home: Namespace, spec: dict[str, Any]) -> None:
    assert home.stored(task(**spec))["deliberation"] == spec["deliberation"]
