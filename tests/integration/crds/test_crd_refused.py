"""Objects that the API server refuses: each message names the field and the allowed values."""

import json
from typing import Any

import pytest

from support.builders.crd_objects import INPUTS, Manifest, agent, source, task
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration


def own_ray(**cluster: Any) -> dict[str, Any]:
    """Return the spec of an agent with a Ray cluster of its own."""
    return {"ray": {"address": None, "cluster": cluster}}


RAYS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"ray": {"address": None}}, ("exactly one of cluster, clusterRef and address",)),
    ({"ray": {"cluster": {}}}, ("exactly one of cluster, clusterRef and address",)),
    ({"ray": {"clusterRef": {"name": "x"}}}, ("exactly one of cluster, clusterRef and address",)),
    ({"ray": {"address": None, "clusterRef": {}}}, ("spec.ray.clusterRef.name", "Required")),
    (
        {"ray": {"address": None, "cluster": {}, "tokenSecretRef": {"name": "t"}}},
        ("spec.ray.tokenSecretRef goes with clusterRef or address",),
    ),
    (own_ray(workers={"minWorkers": 2, "maxWorkers": 1}), ("needs maxWorkers of at least minWorkers",)),
    (own_ray(workers={"minWorkers": -1}), ("spec.ray.cluster.workers.minWorkers", "0")),
    (own_ray(workers={"maxWorkers": 1001}), ("spec.ray.cluster.workers.maxWorkers", "1000")),
    (own_ray(autoscaler={}), ("spec.ray.cluster.autoscaler needs spec.ray.cluster.workers.maxWorkers",)),
    (
        own_ray(autoscaler={}, workers={"minWorkers": 1, "maxWorkers": 1}),
        ("spec.ray.cluster.autoscaler needs spec.ray.cluster.workers.maxWorkers",),
    ),
    (own_ray(rayVersion="2.51.9"), ("spec.ray.cluster.rayVersion must be 2.52.0 or later",)),
    (own_ray(rayVersion="1.99.0"), ("spec.ray.cluster.rayVersion must be 2.52.0 or later",)),
    (own_ray(rayVersion="latest"), ("spec.ray.cluster.rayVersion",)),
    (own_ray(authOptions={"mode": "disabled", "secretName": "t"}), ("secretName goes with mode token",)),
    (own_ray(authOptions={"mode": "kerberos"}), ("spec.ray.cluster.authOptions.mode", '"token", "disabled"')),
    (own_ray(head={"resources": {"limits": {"memory": "lots"}}}), ("spec.ray.cluster.head.resources.limits.memory",)),
    (own_ray(gcsFaultTolerance={}), ("spec.ray.cluster.gcsFaultTolerance.redisAddress", "Required")),
    (own_ray(gcsFaultTolerance={"redisAddress": ":pw@redis:6379"}), ("gcsFaultTolerance.redisAddress",)),
    (own_ray(image="two words"), ("spec.ray.cluster.image",)),
]


SERVE = ("spec.execution.serve", "is for spec.execution.mode Serve or Hybrid")
EXECUTIONS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"execution": {"mode": "Actor"}}, ("spec.execution.mode", '"Embedded", "Job", "Serve", "Hybrid"')),
    ({"execution": {"serve": {}}}, SERVE),
    ({"execution": {"mode": "Job", "serve": {}}}, SERVE),
    (
        {"execution": {"job": {"warmSlots": 1}}},
        ("spec.execution.job", "is for spec.execution.mode Job only; set that mode or remove the field"),
    ),
    ({"execution": {"mode": "Job", "job": {"warmSlots": 65}}}, ("spec.execution.job.warmSlots", "64")),
    ({"execution": {"mode": "Job", "job": {"warmSlots": -1}}}, ("spec.execution.job.warmSlots", "0")),
    (
        {"execution": {"mode": "Serve", "complexityThreshold": 0.5}},
        ("spec.execution.complexityThreshold", "is for spec.execution.mode Hybrid only"),
    ),
    ({"execution": {"mode": "Hybrid", "complexityThreshold": 1.1}}, ("spec.execution.complexityThreshold", "1")),
    (
        {"execution": {"mode": "Serve", "complexityByType": {"Custom": 0.5}}},
        ("spec.execution.complexityByType", "is for spec.execution.mode Hybrid only"),
    ),
    (
        {"execution": {"mode": "Hybrid", "complexityByType": {"Planning": 0.5}}},
        ("spec.execution.complexityByType", "must be task types, such as TaskPlanning"),
    ),
    ({"execution": {"mode": "Hybrid", "complexityByType": {"Custom": 1.1}}}, ("complexityByType.Custom", "1")),
    ({"execution": {"mode": "Job", "resources": {"cpu": 1}}}, ("spec.execution.resources", "is for warm workers")),
    ({"execution": {"resources": {"cpu": "1Gi"}}}, ("spec.execution.resources.cpu", "should match")),
    ({"execution": {"resources": {"memory": "-1"}}}, ("spec.execution.resources.memory", "should match")),
    (
        {"execution": {"mode": "Serve", "serve": {"replicas": 1, "autoscaling": {"maxReplicas": 2}}}},
        ("spec.execution.serve.replicas", "set only one of"),
    ),
    ({"execution": {"mode": "Serve", "serve": {"replicas": 0}}}, ("spec.execution.serve.replicas", "1")),
    ({"execution": {"mode": "Serve", "serve": {"replicas": 65}}}, ("spec.execution.serve.replicas", "64")),
    (
        {"execution": {"mode": "Serve", "serve": {"autoscaling": {"minReplicas": 3, "maxReplicas": 2}}}},
        ("spec.execution.serve.autoscaling.maxReplicas", "must be at least minReplicas"),
    ),
    (
        {"execution": {"mode": "Hybrid", "serve": {"maxOngoingRequests": 0}}},
        ("spec.execution.serve.maxOngoingRequests", "1"),
    ),
    (
        {"execution": {"mode": "Serve", "serve": {"public": {"enabled": True}}}},
        ("spec.execution.serve.public.tokenSecretRef", "an open route needs a token"),
    ),
]


def own_vllm(**vllm: Any) -> dict[str, Any]:
    """Return the spec of an agent with a model server of its own."""
    return {"llm": {"provider": "vllm", "endpoint": None, "vllm": vllm}}


SERVERS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"llm": {"provider": "vllm", "vllm": {}}}, ("spec.llm.vllm goes without spec.llm.endpoint",)),
    ({"llm": {"provider": "openai", "endpoint": None, "vllm": {}}}, ("spec.llm.vllm is for the provider vllm alone",)),
    (
        {"llm": {"provider": "vllm", "endpoint": None, "vllm": {}, "apiKeySecretRef": {"name": "s"}}},
        ("spec.llm.vllm goes without", "spec.llm.apiKeySecretRef"),
    ),
    (own_vllm(gpus=2, tensorParallelSize=1), ("tensorParallelSize must be spec.llm.vllm.gpus",)),
    (own_vllm(gpus=0, tensorParallelSize=2), ("tensorParallelSize must be spec.llm.vllm.gpus",)),
    (own_vllm(gpus=17), ("spec.llm.vllm.gpus", "16")),
    (own_vllm(replicas=0), ("spec.llm.vllm.replicas", "1")),
    (own_vllm(replicas=2, modelCache={"size": "1Gi"}), ("replicas above 1 need a cache", "ReadWriteMany")),
    (own_vllm(resources={"limits": {"nvidia.com/gpu": 1}}), ("spec.llm.vllm.resources must not name the GPUs",)),
    (own_vllm(modelCache={}), ("spec.llm.vllm.modelCache needs exactly one of size and claimName",)),
    (own_vllm(modelCache={"size": "1Gi", "claimName": "c"}), ("modelCache needs exactly one of size and claimName",)),
    (own_vllm(modelCache={"claimName": "c", "storageClassName": "s"}), ("storageClassName goes with size",)),
    (own_vllm(modelCache={"size": "much"}), ("spec.llm.vllm.modelCache.size",)),
    *[
        (own_vllm(extraArgs=[argument]), ("spec.llm.vllm.extraArgs must not hold",))
        for argument in ("--api-key=x", "--api_key", "--port=1", "-tp=2", "--tensor_parallel_size", "--ssl-keyfile=k")
    ],
    (own_vllm(env=[{"name": "VLLM_API_KEY", "value": "x"}]), ("spec.llm.vllm.env must not hold VLLM_API_KEY",)),
    (own_vllm(env=[{"name": "A"}, {"name": "A"}]), ("spec.llm.vllm.env", "Duplicate")),
    (own_vllm(gpuMemoryUtilization=1.1), ("spec.llm.vllm.gpuMemoryUtilization", "1")),
    (own_vllm(dtype="int8"), ("spec.llm.vllm.dtype", '"auto"')),
    (own_vllm(runAsUser=0), ("spec.llm.vllm.runAsUser", "1")),
]
EXAMPLE: dict[str, Any] = {
    "type": "FailureAnalysis",
    "input": {"error_message": "x"},
    "output": {"thought": "y", "proposed_solution": "z"},
}


def demonstration(**changes: Any) -> dict[str, Any]:
    """Return the spec of an agent with one demonstration, some of whose fields are replaced or, by None, removed."""
    example = {name: value for name, value in (EXAMPLE | changes).items() if value is not None}
    return {"demonstrations": [example]}


SET_BY_THE_PRODUCT = (
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "response_format",
    "reasoning_effort",
    "tools",
    "tool_choice",
    "n",
    "api_key",
    "authorization",
    "extra_headers",
)
"""Fields of a call's body that an agent's extraBody must not hold."""
MODELS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"llm": {"structuredOutput": "Grammar"}}, ("spec.llm.structuredOutput", '"Auto", "Schema", "Bounded"')),
    ({"llm": {"reasoning": {"effort": ""}}}, ("spec.llm.reasoning.effort", "at least 1 char")),
    ({"llm": {"reasoning": {"effort": "Very High"}}}, ("spec.llm.reasoning.effort", "should match")),
    ({"llm": {"reasoning": {"effort": "x" * 33}}}, ("spec.llm.reasoning.effort", "32")),
    ({"llm": {"reasoning": {"maxTokens": 0}}}, ("spec.llm.reasoning.maxTokens", "1")),
    ({"llm": {"reasoning": {"maxTokens": 131073}}}, ("spec.llm.reasoning.maxTokens", "131072")),
    ({"llm": {"reasoning": {"budget": 1}}}, ("spec.llm.reasoning.budget", "unknown field")),
    ({"llm": {"extraBody": {f"k{n}": n for n in range(33)}}}, ("spec.llm.extraBody", "32")),
    ({"llm": {"extraBody": "top_k: 1"}}, ("spec.llm.extraBody", "object")),
    *[
        ({"llm": {"extraBody": {name: None}}}, ("spec.llm.extraBody must not hold", name))
        for name in SET_BY_THE_PRODUCT
    ],
    ({"demonstrations": [EXAMPLE] * 17}, ("spec.demonstrations", "at most 16")),
    (demonstration(type=None), ("spec.demonstrations[0].type", "Required")),
    (demonstration(type="failure_analysis"), ("spec.demonstrations[0].type", '"FailureAnalysis", "TaskPlanning"')),
    (demonstration(input=None), ("spec.demonstrations[0].input", "Required")),
    (demonstration(input={}), ("spec.demonstrations[0].input", "at least 1")),
    (demonstration(output={}), ("spec.demonstrations[0].output", "at least 1")),
    (demonstration(output={f"k{n}": n for n in range(33)}), ("spec.demonstrations[0].output", "32")),
    (
        demonstration(output={"thought": "y", "solution": "z"}),
        (
            "spec.demonstrations[0]",
            "of a FailureAnalysis needs thought and proposed_solution, as a task's status.result",
        ),
    ),
    (
        demonstration(input={"message": "x"}),
        ("spec.demonstrations[0]", "input of a demonstration of a FailureAnalysis needs error_message"),
    ),
    (demonstration(type="MemorySynthesis"), ("needs memory_fragments and synthesis_goal", "synthesized_insight")),
    (demonstration(title="x"), ("spec.demonstrations[0].title", "unknown field")),
]


def variants(*listed: dict[str, Any]) -> dict[str, Any]:
    return {"llm": {"variants": list(listed)}}


VARIANTS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (variants(), ("spec.llm.variants", "at least 1 items")),
    (variants(*[{"name": f"v{n}"} for n in range(9)]), ("spec.llm.variants", "at most 8 items")),
    (variants({"name": "a"}, {"name": "a", "weight": 2}), ("spec.llm.variants[1]", "Duplicate value")),
    (variants({"weight": 1}), ("spec.llm.variants[0].name", "Required")),
    (variants({"name": "A"}), ("spec.llm.variants[0].name", "should match")),
    (variants({"name": "x" * 64}), ("spec.llm.variants[0].name", "63")),
    (variants({"name": "a", "weight": -1}), ("spec.llm.variants[0].weight", "0")),
    (variants({"name": "a", "weight": 1001}), ("spec.llm.variants[0].weight", "1000")),
    (
        variants({"name": "a", "weight": 0}, {"name": "b", "weight": 0}),
        ("spec.llm.variants must have at least one weight above 0",),
    ),
    (variants({"name": "a", "provider": "vllm", "model": "m"}), ("spec.llm.variants[0].endpoint", "Required")),
    (variants({"name": "a", "provider": "openai", "model": "m"}), ("spec.llm.variants[0].apiKeySecretRef", "Required")),
    (variants({"name": "a", "endpoint": "http://m"}), ("spec.llm.variants[0].model", "Required")),
    (variants({"name": "a", "endpoint": "m:80", "model": "m"}), ("spec.llm.variants[0].endpoint", "must be a URL")),
    (
        variants({"name": "a", "endpoint": "http://u:p@m", "model": "m"}),
        ("spec.llm.variants[0].endpoint", "must not hold a user or a password"),
    ),
    (variants({"name": "a", "apiVersion": "2024-10-21"}), ("spec.llm.variants", "azure alone")),
    (
        variants({"name": "a", "systemPrompt": "故" * 5462}),
        ("spec.llm.variants[0].systemPrompt", "16384 bytes"),
    ),
    (variants({"name": "a", "maxTokens": 63}), ("spec.llm.variants[0].maxTokens", "64")),
    (variants({"name": "a", "temperature": 2.1}), ("spec.llm.variants[0].temperature", "2")),
    (variants({"name": "a", "topP": 0}), ("spec.llm.variants[0].topP", "greater than 0")),
    (variants({"name": "a", "reasoning": {"effort": "Very High"}}), ("variants[0].reasoning.effort", "should match")),
    (variants({"name": "a", "extraBody": {"model": "m"}}), ("spec.llm.variants[0]", "extraBody must not hold")),
    (variants({"name": "a", "timeoutSeconds": 5}), ("spec.llm.variants[0].timeoutSeconds", "unknown field")),
]
AGENTS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    *VARIANTS,
    ({"role": ""}, ("spec.role", "at least 1 char")),
    ({"role": "x" * 64}, ("spec.role", "63")),
    ({"roleProbabilities": {"E": 0.7, "S": 0.2, "O": 0.2}}, ("spec.roleProbabilities", "add up to 1")),
    ({"roleProbabilities": {"E": 0.7, "S": 0.3}}, ("spec.roleProbabilities.O", "Required")),
    ({"roleProbabilities": {"E": 1.5, "S": -0.5, "O": 0}}, ("spec.roleProbabilities.E", "spec.roleProbabilities.S")),
    ({"systemPrompt": "x" * 16385}, ("spec.systemPrompt", "16384")),
    ({"systemPrompt": "故" * 5462}, ("spec.systemPrompt", "16384 bytes")),
    ({"llm": {"provider": "aws"}}, ("spec.llm.provider", '"vllm", "openai", "azure", "anthropic", "google"')),
    ({"llm": {"provider": "vllm", "endpoint": None}}, ("spec.llm.endpoint", "Required", "vllm, azure and")),
    ({"llm": {"provider": "azure", "endpoint": None}}, ("spec.llm.endpoint", "Required", "vllm, azure and")),
    ({"llm": {"provider": "google", "endpoint": None}}, ("spec.llm.apiKeySecretRef", "Required", "wants a key")),
    ({"llm": {"provider": "openai", "apiVersion": "2024-10-21"}}, ("spec.llm.apiVersion", "azure alone")),
    ({"llm": {"provider": "azure", "apiVersion": "v1"}}, ("spec.llm.apiVersion", "should match")),
    (
        {"llm": {"fallbacks": [{"model": "m", "provider": "anthropic"}]}},
        ("spec.llm.fallbacks[0].apiKeySecretRef", "Required", "wants a key"),
    ),
    (
        {"llm": {"fallbacks": [{"model": "m", "endpoint": "http://m", "apiVersion": "2024-10-21"}]}},
        ("spec.llm.fallbacks[0].apiVersion", "azure alone"),
    ),
    ({"llm": {"model": ""}}, ("spec.llm.model", "at least 1 char")),
    ({"llm": {"model": "m" * 254}}, ("spec.llm.model", "253")),
    ({"llm": {"model": None}}, ("spec.llm.model", "Required")),
    ({"llm": {"endpoint": None}}, ("spec.llm.endpoint", "Required")),
    ({"llm": {"apiKeySecretRef": {"key": "k"}}}, ("spec.llm.apiKeySecretRef.name", "Required")),
    ({"llm": {"apiKeySecretRef": {"name": "s", "key": "a/b"}}}, ("spec.llm.apiKeySecretRef.key", "should match")),
    ({"llm": {"maxTokens": 63}}, ("spec.llm.maxTokens", "64")),
    ({"llm": {"maxTokens": 131073}}, ("spec.llm.maxTokens", "131072")),
    ({"llm": {"maxTokens": "many"}}, ("spec.llm.maxTokens", "integer")),
    ({"llm": {"temperature": -0.1}}, ("spec.llm.temperature", "0")),
    ({"llm": {"temperature": 2.1}}, ("spec.llm.temperature", "2")),
    ({"llm": {"topP": 0}}, ("spec.llm.topP", "greater than 0")),
    ({"llm": {"topP": 1.01}}, ("spec.llm.topP", "1")),
    ({"llm": {"timeoutSeconds": 0}}, ("spec.llm.timeoutSeconds", "1")),
    ({"llm": {"timeoutSeconds": 3601}}, ("spec.llm.timeoutSeconds", "3600")),
    ({"llm": {"maxRetries": -1}}, ("spec.llm.maxRetries", "0")),
    ({"llm": {"maxRetries": 11}}, ("spec.llm.maxRetries", "10")),
    ({"llm": {"frequencyPenalty": 2.1}}, ("spec.llm.frequencyPenalty", "2")),
    ({"llm": {"presencePenalty": -2.1}}, ("spec.llm.presencePenalty", "-2")),
    ({"llm": {"retryDelaySeconds": 60.5}}, ("spec.llm.retryDelaySeconds", "60")),
    ({"llm": {"stream": "yes"}}, ("spec.llm.stream", "boolean")),
    ({"llm": {"logging": {"prompts": True}}}, ("spec.llm.logging.prompts", "unknown field")),
    ({"llm": {"fallbacks": [{"model": "m", "endpoint": "http://m"}] * 6}}, ("spec.llm.fallbacks", "at most 5")),
    ({"llm": {"fallbacks": [{"model": "m"}]}}, ("spec.llm.fallbacks[0].endpoint", "Required")),
    ({"llm": {"fallbacks": [{"model": "m", "endpoint": "m:80"}]}}, ("spec.llm.fallbacks[0].endpoint", "must be a URL")),
    (
        {"llm": {"fallbacks": [{"model": "m", "endpoint": "http://user:pw@m"}]}},
        ("spec.llm.fallbacks[0].endpoint", "must not hold a user or a password"),
    ),
    ({"llm": {"cache": {"ttlSeconds": 0}}}, ("spec.llm.cache.ttlSeconds", "1")),
    ({"llm": {"cache": {"ttlSeconds": 604801}}}, ("spec.llm.cache.ttlSeconds", "604800")),
    ({"llm": {"cache": {"backend": "Redis"}}}, ("spec.llm.redisSecretRef", "goes with the backend Redis")),
    ({"llm": {"rateLimit": {"backend": "Redis"}}}, ("spec.llm.redisSecretRef", "goes with the backend Redis")),
    ({"llm": {"redisSecretRef": {"name": "r"}}}, ("spec.llm.redisSecretRef", "goes with the backend Redis")),
    ({"llm": {"rateLimit": {"backend": "NATS"}}}, ("spec.llm.rateLimit.backend", '"Ray", "Redis"')),
    ({"llm": {"rateLimit": {"requestsPerMinute": 0}}}, ("spec.llm.rateLimit.requestsPerMinute", "1")),
    ({"llm": {"rateLimit": {"requestsPerMinute": 1000001}}}, ("spec.llm.rateLimit.requestsPerMinute", "1000000")),
    ({"llm": {"rateLimit": {"tokensPerMinute": 0}}}, ("spec.llm.rateLimit.tokensPerMinute", "1")),
    ({"llm": {"rateLimit": {"tokensPerMinute": 1000000001}}}, ("spec.llm.rateLimit.tokensPerMinute", "1000000000")),
    ({"llm": {"server": {"image": "x"}}}, ("spec.llm.server", "unknown field")),
    *MODELS,
    *RAYS,
    *SERVERS,
    *EXECUTIONS,
    ({"execution": {"workers": 0}}, ("spec.execution.workers", "1")),
    ({"execution": {"workers": 65}}, ("spec.execution.workers", "64")),
    ({"execution": {"concurrencyPerWorker": 257}}, ("spec.execution.concurrencyPerWorker", "256")),
    ({"queue": {"maxConcurrentTasks": 0}}, ("spec.queue.maxConcurrentTasks", "1")),
    ({"queue": {"maxConcurrentTasks": 10001}}, ("spec.queue.maxConcurrentTasks", "10000")),
    ({"queue": {"maxQueuedTasks": -1}}, ("spec.queue.maxQueuedTasks", "0")),
    ({"queue": {"maxQueuedTasks": 1000001}}, ("spec.queue.maxQueuedTasks", "1000000")),
    ({"queue": {"weight": 0}}, ("spec.queue.weight", "1")),
    ({"queue": {"weight": 101}}, ("spec.queue.weight", "100")),
    ({"taskDefaults": {"timeoutSeconds": 86401}}, ("spec.taskDefaults.timeoutSeconds", "86400")),
    ({"taskDefaults": {"ttlSecondsAfterFinished": -1}}, ("spec.taskDefaults.ttlSecondsAfterFinished", "0")),
    ({"taskDefaults": {"retryPolicy": {"maxRetries": 11}}}, ("spec.taskDefaults.retryPolicy.maxRetries", "10")),
    ({"taskDefaults": {"retryPolicy": {"backoffSeconds": 3601}}}, ("retryPolicy.backoffSeconds", "3600")),
    ({"energy": {"costPerCharacter": -0.01}}, ("spec.energy.costPerCharacter", "0")),
    ({"energy": {"costPerCharacter": 1001}}, ("spec.energy.costPerCharacter", "1000")),
]
NO_URLS = [
    "llm.models.svc:8000",
    "ftp://llm.models.svc",
    "HTTP://llm.models.svc",
    "http://",
    "http:///v1",
    "http://:8000",
    "http://llm.models.svc:port/v1",
    "http://llm models.svc",
    "http://llm.models.svc/v 1",
    "http://llm.models.svc/v1?key=1",
    "http://llm.models.svc/v1#x",
    "http://llm.models.svc\n",
    "nats://llm.models.svc:4222",
]
WITH_SECRETS = ["http://user:hunter2@llm.models.svc/v1", "https://sk-123@llm.models.svc", "http://@llm.models.svc"]
AGREEMENT = {"method": "Agreement"}
DELIBERATIONS: list[tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    (AGREEMENT, {"members": 1}, ("spec.deliberation.members", "2")),
    (AGREEMENT, {"members": 9}, ("spec.deliberation.members", "8")),
    (AGREEMENT, {"members": None}, ("spec.deliberation.members", "Required")),
    (AGREEMENT, {"quorum": 4}, ("spec.deliberation.quorum", "must not be above spec.deliberation.members")),
    (AGREEMENT, {"quorum": 0}, ("spec.deliberation.quorum", "1")),
    (AGREEMENT, {"rounds": 2}, ("spec.deliberation.rounds", "unknown field")),
    ({"method": "Vote"}, {}, ("spec.deliberation.selection.method", '"Majority", "Agreement", "Judge"')),
    ({"method": "Majority"}, {}, ("spec.deliberation.selection.field", "Majority, which needs it")),
    (AGREEMENT | {"field": "decision"}, {}, ("spec.deliberation.selection.field", "with another method remove it")),
    ({"method": "Judge"}, {}, ("spec.deliberation.selection.judgeRef", "Judge, which needs it")),
    (AGREEMENT | {"judgeRef": {"name": "j"}}, {}, ("deliberation.selection.judgeRef", "with another method remove it")),
    ({"method": "Judge", "judgeRef": {}}, {}, ("spec.deliberation.selection.judgeRef.name", "Required")),
    ({"method": "Majority", "field": "choice"}, {}, ("spec.deliberation.selection.field", "key of the result")),
    ({"method": "Majority", "field": "output"}, {}, ("spec.deliberation.selection.field", "key of the result")),
]
TASKS: list[tuple[Manifest, tuple[str, ...]]] = [
    (task(kind_of="FailureAnalysis", input={}), ("spec.input.error_message", "exactly one of", "spec.input.error")),
    (
        task(kind_of="FailureAnalysis", input={"error": "a", "error_message": "a"}),
        ("spec.input.error_message", "exactly one of", "spec.input.error"),
    ),
    (task(kind_of="FailureAnalysis", input={"error_message": ""}), ("spec.input.error_message", "at least 1 char")),
    (task(kind_of="FailureAnalysis", input={"error": ""}), ("spec.input.error", "at least 1 char")),
    (task(kind_of="FailureAnalysis", input={"error_message": 5}), ("spec.input.error_message", "string")),
    (task(kind_of="TaskPlanning", input={}), ("spec.input.task_description", "Required", "what is to be planned")),
    (task(kind_of="TaskPlanning", input={"task_description": ""}), ("spec.input.task_description", "at least 1")),
    (task(kind_of="DecisionMaking", input={}), ("spec.input.decision_context", "Required", "what is to be decided")),
    (task(kind_of="DecisionMaking", input={"decision_context": {}}), ("spec.input.decision_context", "at least 1")),
    (task(kind_of="DecisionMaking", input={"decision_context": "A or B"}), ("spec.input.decision_context", "object")),
    (task(kind_of="ProblemSolving", input={}), ("spec.input.problem_statement", "Required", "what is to be solved")),
    (task(kind_of="MemorySynthesis", input={"synthesis_goal": "x"}), ("spec.input.memory_fragments", "Required")),
    (
        task(kind_of="MemorySynthesis", input={"memory_fragments": [{"content": "x"}]}),
        ("spec.input.synthesis_goal", "Required", "what to look for"),
    ),
    (
        task(kind_of="MemorySynthesis", input={"memory_fragments": [], "synthesis_goal": "x"}),
        ("spec.input.memory_fragments", "at least 1 item"),
    ),
    (
        task(kind_of="MemorySynthesis", input={"memory_fragments": ["x"], "synthesis_goal": "x"}),
        ("spec.input.memory_fragments[0]", "object"),
    ),
    (
        task(kind_of="CapabilityAssessment", input={}),
        ("spec.input.performance_data", "spec.input.current_capabilities", "spec.input.target_capabilities"),
    ),
    (
        task(
            kind_of="CapabilityAssessment",
            input=INPUTS["CapabilityAssessment"] | {"agent_performance_data": {"incidents": 23}},
        ),
        ("spec.input.performance_data", "exactly one of", "spec.input.agent_performance_data"),
    ),
    (task(kind_of="Proposal", input={}), ("spec.input.task_description", "Required", "what the proposal is for")),
    (task(kind_of="Proposal", input={"task_description": ""}), ("spec.input.task_description", "at least 1")),
    (
        task(kind_of="Proposal", outputSchema={"type": "object"}),
        ("spec.outputSchema", "Forbidden", "not for a Proposal, whose result is free text"),
    ),
    *[
        (task(kind_of="DecisionMaking", deliberation={"members": 3, "selection": selection} | more), said)
        for selection, more, said in DELIBERATIONS
    ],
    (task(type="Guessing"), ("spec.type", '"FailureAnalysis", "TaskPlanning"')),
    (task(type=None), ("spec.type", "Required")),
    (task(input=None), ("spec.input.error_message", "exactly one of")),
    (task(input=None, inputFrom=[source("incident_id")]), ("spec.input.error_message", "exactly one of")),
    (task(inputFrom=[source("error")]), ("spec.input.error_message", "exactly one of", "spec.input.error")),
    (task(kind_of="TaskPlanning", input={}, inputFrom=[source("plan")]), ("spec.input.task_description", "Required")),
    (task(inputFrom=[source("a"), source("a")]), ("spec.inputFrom", "each key (as) only once")),
    (task(inputFrom=[source(f"a{n}") for n in range(17)]), ("spec.inputFrom", "at most 16")),
    (task(inputFrom=[source("")]), ("spec.inputFrom[0].as", "at least 1")),
    (task(inputFrom=[source("a.b")]), ("spec.inputFrom[0].as", "should match")),
    (task(inputFrom=[{"as": "a"}]), ("spec.inputFrom[0]", "exactly one of configMapKeyRef")),
    (task(inputFrom=[source("a") | {"taskRef": {"name": "b"}}]), ("spec.inputFrom[0]", "exactly one of")),
    (
        task(inputFrom=[source("a", configMapKeyRef={"name": "b"})]),
        ("spec.inputFrom[0].configMapKeyRef.key", "Required"),
    ),
    (task(inputFrom=[source("a", format="YAML")]), ("spec.inputFrom[0].format", '"Text", "JSON"')),
    (
        task(inputFrom=[{"as": "a", "taskRef": {"name": "b"}, "format": "JSON"}]),
        ("spec.inputFrom[0]", "configMapKeyRef and secretKeyRef only"),
    ),
    (task(input="text"), ("spec.input", "object")),
    (task(agentRef=None), ("spec.agentRef", "Required")),
    (task(agentRef={}), ("spec.agentRef.name", "Required")),
    (task(agentRef={"name": "The SRE"}), ("spec.agentRef.name", "lower-case letters")),
    (task(agentRef={"name": "a" * 254}), ("spec.agentRef.name", "253")),
    (task(agentRef={"name": "sre", "namespace": "other"}), ("spec.agentRef.namespace", "unknown field")),
    (task(timeoutSeconds=0), ("spec.timeoutSeconds", "1")),
    (task(timeoutSeconds=86401), ("spec.timeoutSeconds", "86400")),
    (task(ttlSecondsAfterFinished=-1), ("spec.ttlSecondsAfterFinished", "0")),
    (task(queueTimeoutSeconds=0), ("spec.queueTimeoutSeconds", "1")),
    (task(retryPolicy={"maxRetries": 11}), ("spec.retryPolicy.maxRetries", "10")),
    (task(retryPolicy={"backoffSeconds": -1}), ("spec.retryPolicy.backoffSeconds", "0")),
    (task(retryPolicy={"onErrorTypes": ["Timeout"]}), ("spec.retryPolicy.onErrorTypes", "ModelTimeout")),
    (task(context={"mood": {}}), ("spec.context.mood", "unknown field")),
    (task(context={"memory": "full"}), ("spec.context.memory", "object")),
    (task(constraints={"requirements": "one"}), ("spec.constraints.requirements", "array")),
    (task(constraints={"requirements": [""]}), ("spec.constraints.requirements[0]", "at least 1 char")),
    (task(constraints={"rubric": ["x"]}), ("spec.constraints.rubric", "string")),
    (task(urgency=1), ("spec.urgency", "unknown field")),
]


@pytest.mark.parametrize(("spec", "said"), AGENTS, ids=lambda v: json.dumps(v)[:60] if isinstance(v, dict) else "")
def test_an_agent_out_of_bounds(default: Namespace, spec: dict[str, Any], said: tuple[str, ...]) -> None:
    message = default.refusal(agent(**spec))
    assert [words for words in said if words not in message] == [], message


@pytest.mark.parametrize(("manifest", "said"), TASKS, ids=lambda v: json.dumps(v["spec"])[:80] if "spec" in v else "")
def test_a_task_that_cannot_be_understood(default: Namespace, manifest: Manifest, said: tuple[str, ...]) -> None:
    message = default.refusal(manifest)
    assert [words for words in said if words not in message] == [], message


@pytest.mark.parametrize("field", [("llm", "endpoint"), ("ray", "address")], ids=".".join)
@pytest.mark.parametrize("url", NO_URLS)
def test_an_address_that_is_no_url(default: Namespace, field: tuple[str, str], url: str) -> None:
    half, name = field
    spec: dict[str, Any] = {half: {name: url}}
    message = default.refusal(agent(**spec))
    assert f"spec.{half}.{name} must be a URL such as http://" in message


@pytest.mark.parametrize("field", [("llm", "endpoint"), ("ray", "address")], ids=".".join)
@pytest.mark.parametrize("url", WITH_SECRETS)
def test_an_address_with_a_password(default: Namespace, field: tuple[str, str], url: str) -> None:
    half, name = field
    spec: dict[str, Any] = {half: {name: url}}
    message = default.refusal(agent(**spec))
    assert f"spec.{half}.{name} must not hold a user or a password" in message


@pytest.mark.parametrize("name", ["llm", "ray"])
def test_an_agent_without_what_it_needs(default: Namespace, name: str) -> None:
    manifest = agent()
    del manifest["spec"][name]
    assert f"spec.{name}: Required value" in default.refusal(manifest)
