"""Agents that the API server refuses: each message names the field and the allowed values."""

from typing import Any

import pytest

from support.builders.crd_objects import Refused, agent, spec_id
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration
AGENTS: list[Refused] = [
    ({"role": ""}, ("spec.role", "at least 1 char")),
    ({"role": "x" * 64}, ("spec.role", "63")),
    ({"roleProbabilities": {"E": 0.7, "S": 0.2, "O": 0.2}}, ("spec.roleProbabilities", "add up to 1")),
    ({"roleProbabilities": {"E": 0.7, "S": 0.3}}, ("spec.roleProbabilities.O", "Required")),
    ({"roleProbabilities": {"E": 1.5, "S": -0.5, "O": 0}}, ("spec.roleProbabilities.E", "spec.roleProbabilities.S")),
    ({"systemPrompt": "x" * 16385}, ("spec.systemPrompt", "16384")),
    ({"systemPrompt": "故" * 5462}, ("spec.systemPrompt", "16384 bytes")),
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


@pytest.mark.parametrize(("spec", "said"), AGENTS, ids=spec_id)
def test_an_agent_out_of_bounds(default: Namespace, spec: dict[str, Any], said: tuple[str, ...]) -> None:
    default.check_refusal(agent(**spec), *said)


@pytest.mark.parametrize("name", ["llm", "ray"])
def test_an_agent_without_what_it_needs(default: Namespace, name: str) -> None:
    manifest = agent()
    del manifest["spec"][name]
    assert f"spec.{name}: Required value" in default.refusal(manifest)
