"""Settings of an executor with a Redis, and the message about a missing Secret."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition
from cognitive_operator.api.llm import LLM
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.ray_job import RayEnvironment, desired_executor
from cognitive_operator.desired.request import secret_files
from cognitive_operator.errors import ApiUnavailableError, ObjectNotFoundError
from cognitive_operator.reconcile.agent.model.api_key import read_model_key
from support.builders import operator_objects as o
from support.fakes.kube import FakeSecrets

REDIS = {"redisSecretRef": {"name": "redis"}, "rateLimit": {"backend": "Redis"}}


def agent(**llm: Any) -> Agent:
    return Agent.model_validate(o.agent_body(llm=o.agent_body()["spec"]["llm"] | llm))


@pytest.mark.parametrize(
    ("llm", "files"),
    [
        ({}, ()),
        (REDIS, ("redis-url",)),
        (
            {"cache": {"enabled": True, "backend": "Redis"}, "apiKeySecretRef": {"name": "k"}},
            ("llm-api-key", "redis-url"),
        ),
        ({"cache": {"enabled": False, "backend": "Redis"}}, ()),
    ],
)
def test_an_executor_takes_nothing_before_the_url_is_mounted(llm: dict[str, Any], files: tuple[str, ...]) -> None:
    found = agent(**llm)
    assert secret_files(found.spec.llm) == files
    entrypoint = desired_executor(found, "ca-x-1", RayEnvironment("nats://n")).entrypoint
    assert entrypoint.count("--require-secret") == len(files)
    assert all(f"--require-secret {name}" in entrypoint for name in files)


async def read(llm: dict[str, Any], **failures: Exception) -> str | Condition | None:
    places = [("team", "k", "api-key"), ("team", "redis", "redis-url")]
    secrets = FakeSecrets(values={place: failures.get(place[1], "/".join(place)) for place in places})
    return await read_model_key(secrets, "team", LLM.model_validate(agent(**llm).spec.llm.model_dump()))


async def test_the_key_is_the_models_and_never_the_url_of_redis() -> None:
    assert await read({}) is None
    assert await read(REDIS) is None
    assert await read(REDIS | {"apiKeySecretRef": {"name": "k"}}) == "team/k/api-key"


async def test_a_missing_secret_is_named_by_its_field() -> None:
    found = await read(REDIS, redis=ObjectNotFoundError("Secret team/redis does not exist"))
    assert isinstance(found, Condition)
    assert (found.status, found.reason) == ("False", "SecretNotFound")
    assert found.message == "spec.llm.redisSecretRef: Secret team/redis does not exist"


async def test_a_secret_that_cannot_be_read_now_is_not_checked() -> None:
    found = await read({"apiKeySecretRef": {"name": "k"}}, k=ApiUnavailableError("no answer"))
    assert found == Condition.unknown(AgentCondition.MODEL_READY, "NotChecked", "spec.llm.apiKeySecretRef: no answer")
