"""Requests to executors, and submissions to Ray."""

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.desired.ray_job import RayEnvironment, desired_attempt, desired_executor, settings_hash
from cognitive_operator.desired.request import desired_request, snake_case, supplied_context, with_learnt
from cognitive_operator.ports.ray import RaySubmission
from support.builders import operator_objects as o

WIRE = Path(__file__).parents[3] / "contract" / "wire"
ENVIRONMENT = RayEnvironment("nats://broker:4222")
EVIL = "$(reboot) `id` ; rm -rf / \u0007 \" ' \\ 故障"


ALL_SETTINGS: dict[str, Any] = {
    "structuredOutput": "Schema",
    "reasoning": {"effort": "low", "maxTokens": 2000},
    "extraBody": {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 20},
}


@pytest.mark.parametrize(
    ("name", "settings"),
    [("request.json", {"temperature": 0.7, "topP": 1.0}), ("request_all_settings.json", ALL_SETTINGS)],
)
def test_the_request_is_the_golden_one(name: str, settings: dict[str, Any]) -> None:
    golden: dict[str, Any] = json.loads((WIRE / name).read_text())
    examples = [
        {"type": "FailureAnalysis", "input": each["input"], "output": each["output"]}
        for each in golden["agent"].get("demonstrations", ())
    ]
    agent = Agent.model_validate(
        {
            "metadata": {
                "name": "sre",
                "namespace": "default",
                "uid": golden["agent_uid"],
                "generation": 1,
                "creationTimestamp": "2026-11-21T01:00:00Z",
            },
            "spec": {
                "role": "DEVOPS",
                "roleProbabilities": {"E": 0.7, "S": 0.2, "O": 0.1},
                "systemPrompt": "You look after clusters.",
                "llm": {
                    "provider": "openaiCompatible",
                    "model": "gemma-3-270m",
                    "endpoint": "http://127.0.0.1:8000/v1",
                    "apiKeySecretRef": {"name": "k"},
                    "frequencyPenalty": -0.5,
                    "presencePenalty": 0.25,
                    "stream": True,
                    "retryDelaySeconds": 2.5,
                    "logging": {"requests": False, "responses": True},
                    "fallbacks": [
                        {"model": "gemma-3-1b", "endpoint": "http://127.0.0.1:8001/v1"},
                        {
                            "provider": "openai",
                            "model": "gpt-4o-mini",
                            "apiKeySecretRef": {"name": "openai"},
                        },
                        {
                            "provider": "azure",
                            "model": "gpt-4o",
                            "endpoint": "https://example.openai.azure.com",
                            "apiVersion": "2024-10-21",
                            "apiKeySecretRef": {"name": "azure"},
                        },
                    ],
                    "cache": {"enabled": True, "ttlSeconds": 600},
                    "rateLimit": {"requestsPerMinute": 120, "backend": "Redis"},
                    "redisSecretRef": {"name": "redis"},
                    **settings,
                },
                "demonstrations": examples,
                "ray": {"address": "http://ray:8265"},
            },
            "status": {
                "tasksProcessed": 7,
                "tasksSucceeded": 6,
                "capabilityScore": 0.62,
                "energy": {"cognitiveCost": 12.34},
            },
        }
    )
    task = Task.model_validate(
        {
            "metadata": {
                "name": "why-refused",
                "namespace": "default",
                "uid": golden["task_uid"],
                "creationTimestamp": "2026-11-21T01:00:00Z",
            },
            "spec": {
                "agentRef": {"name": "sre"},
                "type": "FailureAnalysis",
                "input": golden["input"],
                "context": {"memory": golden["context"]["memory"]},
                "constraints": golden["constraints"],
                "outputSchema": golden["output_schema"],
                "budget": {"tokens": golden["token_budget"]},
            },
        }
    )
    key = AttemptKey(golden["agent_uid"], golden["task_uid"], 1)
    request = desired_request(task, agent, key, b"0123456789abcdef0123456789abcdef", golden["published_at"])
    learnt = [LearntModel.model_validate(each) for each in golden["agent"]["llm"].get("learnt", ())]
    sent = json.loads(with_learnt(request, learnt).model_dump_json())
    assert sent == golden | {"traceparent": None}, "the publisher adds that"


def test_what_a_task_gives_comes_before_what_its_agent_knows() -> None:
    agent = Agent.model_validate(o.agent_body())
    own = {"energy": {"cognitive_cost": 99, "mine": True}, "lifecycle": {}, "memory": None}
    context, sources = supplied_context(Task.model_validate(o.task_body(context=own)), agent)
    assert context == {"energy": own["energy"], "lifecycle": {}}
    assert sources.model_dump() == {"memory": "none", "energy": "task", "lifecycle": "task"}


def test_a_new_agent_says_that_it_has_done_nothing_yet() -> None:
    agent = Agent.model_validate(o.agent_body())
    context, sources = supplied_context(Task.model_validate(o.task_body()), agent)
    assert context["energy"] == {"cognitive_cost": 0.0}
    history = {"agent_id": "sre", "created_at": "2026-11-21T01:00:00Z", "capability_score": 0.5}
    assert context["lifecycle"] == history | {"tasks_processed": 0, "successful_tasks": 0}
    assert sources.model_dump() == {"memory": "none", "energy": "agent", "lifecycle": "agent"}


def test_the_attempts_key_is_not_printed() -> None:
    agent, task = Agent.model_validate(o.agent_body()), Task.model_validate(o.task_body())
    request = desired_request(task, agent, o.key(), b"m" * 32, o.NOW)
    assert request.attempt_key not in repr(request)


@pytest.mark.parametrize(
    ("type_", "wire"),
    [
        ("FailureAnalysis", "failure_analysis"),
        ("TaskPlanning", "task_planning"),
        ("DecisionMaking", "decision_making"),
        ("ProblemSolving", "problem_solving"),
        ("MemorySynthesis", "memory_synthesis"),
        ("CapabilityAssessment", "capability_assessment"),
    ],
)
def test_types_are_snake_case_on_the_wire(type_: str, wire: str) -> None:
    assert snake_case(type_) == wire


def test_no_users_text_enters_an_entrypoint() -> None:
    agent = Agent.model_validate(o.agent_body(role=EVIL, systemPrompt=EVIL))
    for submission in (desired_attempt(agent, o.key(), ENVIRONMENT), desired_executor(agent, "ca-x-1", ENVIRONMENT)):
        assert re.fullmatch(r"[A-Za-z0-9._ \-]+", submission.entrypoint)
        assert shlex.join(shlex.split(submission.entrypoint)) == submission.entrypoint


def test_a_jobs_environment_holds_the_broker_and_the_submission_alone() -> None:
    agent = Agent.model_validate(o.agent_body())
    submission = desired_attempt(agent, o.key(), ENVIRONMENT)
    assert set(submission.env_vars) == {"COGNITIVE_NATS_URL", "COGNITIVE_SUBMISSION_ID"}
    assert submission.submission_id == f"ct-{o.TASK_UID}-1"
    assert submission.entrypoint.endswith(f"attempt agent.request.team.{o.AGENT_UID}.{o.TASK_UID}.1")


def test_an_executor_reserves_the_cpus_of_the_worker_in_its_process() -> None:
    agent = Agent.model_validate(o.agent_body())
    assert desired_executor(agent, "ca-x-1", ENVIRONMENT).cpus == 0.1
    assert desired_attempt(agent, o.key(), ENVIRONMENT).cpus == 0


def test_the_executor_of_warm_slots_has_their_number_in_its_environment_and_reserves_cpus_for_each() -> None:
    def submission(**execution: Any) -> RaySubmission:
        llm = o.agent_body()["spec"]["llm"] | {"cache": {"enabled": True}}
        agent = Agent.model_validate(o.agent_body(execution={"mode": "Job", **execution}, llm=llm))
        return desired_executor(agent, "ca-x-1", ENVIRONMENT)

    found = submission(job={"warmSlots": 3}, workers=4, concurrencyPerWorker=9)
    assert found.cpus == 0.3
    assert json.loads(found.env_vars["COGNITIVE_EXECUTION"]) == {"schema_version": 1, "worker": {}, "warm_slots": 3}
    assert found.entrypoint == (
        f"python -m cognitive_runtime executor --namespace team --agent-uid {o.AGENT_UID} --workers 1 --concurrency 1"
    )
    assert submission(job={"warmSlots": 3}).entrypoint == found.entrypoint


def hash_of_job_mode(slots: int, **resources: Any) -> str:
    execution = {"mode": "Job", "job": {"warmSlots": slots}, **({"resources": resources} if resources else {})}
    return settings_hash(Agent.model_validate(o.agent_body(execution=execution)), ENVIRONMENT)


def test_a_change_of_the_number_of_warm_slots_starts_another_executor() -> None:
    assert len({hash_of_job_mode(1), hash_of_job_mode(2)}) == 2


def test_a_change_of_what_warm_slots_reserve_starts_another_executor() -> None:
    usual = hash_of_job_mode(1)
    one = {"cpu": 1}
    others: list[dict[str, Any]] = [
        one,
        {"memory": "1Gi"},
        one | {"memory": "1Gi"},
        one | {"memory": "2Gi"},
        {"cpu": 0},
    ]
    assert len({usual, *(hash_of_job_mode(1, **each) for each in others)}) == 6
    assert hash_of_job_mode(1, cpu="100m") == usual
    assert hash_of_job_mode(0, cpu=1) == hash_of_job_mode(0)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, (0.3, 0)),
        ({"cpu": "2"}, (6.0, 0)),
        ({"cpu": "33m"}, (0.099, 0)),
        ({"cpu": 0}, (0.0, 0)),
        ({"memory": "512Mi"}, (0.3, 3 * 512 * 1024**2)),
    ],
)
def test_the_executor_of_warm_slots_reserves_the_resources_of_all(
    resources: dict[str, Any], expected: tuple[float, int]
) -> None:
    execution = {"mode": "Job", "job": {"warmSlots": 3}, "resources": resources}
    found = desired_executor(Agent.model_validate(o.agent_body(execution=execution)), "ca-x-1", ENVIRONMENT)
    assert (found.cpus, found.memory_bytes) == expected


@pytest.mark.parametrize("slots", [0, 3])
@pytest.mark.parametrize(
    ("resources", "expected"),
    [({}, (0.0, 0)), ({"cpu": "1500m"}, (1.5, 0)), ({"memory": "1Gi"}, (0.0, 1024**3)), ({"cpu": 0}, (0.0, 0))],
)
def test_an_attempt_in_job_mode_reserves_the_resources_of_one_process(
    resources: dict[str, Any], expected: tuple[float, int], slots: int
) -> None:
    execution = {"mode": "Job", "job": {"warmSlots": slots}, "resources": resources}
    found = desired_attempt(Agent.model_validate(o.agent_body(execution=execution)), o.key(), ENVIRONMENT)
    assert (found.cpus, found.memory_bytes) == expected


def test_an_executor_keeps_a_ledger_only_where_there_is_something_to_share() -> None:
    def has_ledger(**llm: Any) -> bool:
        base = o.agent_body()["spec"]["llm"]
        agent = Agent.model_validate(o.agent_body(llm=base | llm))
        return "--shared-ledger" in shlex.split(desired_executor(agent, "ca-x-1", ENVIRONMENT).entrypoint)

    assert not has_ledger()
    assert not has_ledger(cache={"enabled": False})
    assert has_ledger(cache={"enabled": True})
    assert has_ledger(rateLimit={})
    assert not has_ledger(cache={"enabled": True, "backend": "Redis"}, rateLimit={"backend": "Redis"})
    assert has_ledger(cache={"enabled": True, "backend": "Redis"}, rateLimit={})


def test_an_absent_rate_limit_is_none_and_an_empty_one_has_defaults() -> None:
    def limit(**llm: Any) -> Any:
        base = o.agent_body()["spec"]["llm"]
        agent, task = Agent.model_validate(o.agent_body(llm=base | llm)), Task.model_validate(o.task_body())
        return desired_request(task, agent, o.key(), b"m" * 32, o.NOW).model_dump()["agent"]["llm"]["rate_limit"]

    assert limit() is None
    assert limit(rateLimit={}) == {"requests_per_minute": 60, "tokens_per_minute": 150_000, "backend": "Ray"}


def test_settings_that_an_executor_starts_with_change_its_hash_and_others_do_not() -> None:
    def hashed(**spec: Any) -> str:
        return settings_hash(Agent.model_validate(o.agent_body(**spec)), ENVIRONMENT)

    assert hashed() == hashed(role="QA", queue={"maxConcurrentTasks": 2})
    assert hashed() != hashed(execution={"workers": 2})
    assert hashed() != hashed(execution={"concurrencyPerWorker": 2})
    other = settings_hash(Agent.model_validate(o.agent_body()), RayEnvironment("nats://other:4222"))
    assert hashed() != other


def test_an_executor_needs_the_key_of_every_model_that_has_one() -> None:
    llm = {"model": "m", "endpoint": "http://m", "provider": "vllm", "apiKeySecretRef": {"name": "a"}}
    with_key = {"model": "n", "endpoint": "http://n", "apiKeySecretRef": {"name": "b"}}
    without = {"model": "o", "endpoint": "http://o"}
    agent = Agent.model_validate(o.agent_body(llm=llm | {"fallbacks": [without, with_key]}))
    words = shlex.split(desired_executor(agent, "ca-x-1", ENVIRONMENT).entrypoint)
    assert [after for word, after in pairwise(words) if word == "--require-secret"] == ["llm-api-key", "llm-api-key-2"]
