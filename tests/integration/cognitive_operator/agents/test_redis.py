"""An agent whose limits and cache are kept in Redis, on a real one: over its modes, and never without it."""

import json
from collections.abc import Iterator

import pytest

from servers.redis import RedisServer
from support.builders.cognitive_objects import Cluster, agent, task
from support.cluster.ray_submissions import RaySubmissions
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.integration
NO_RETRY = {"maxRetries": 0}


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer.start() as server:
        yield server


@pytest.mark.timeout(240)
def test_limits_and_cache_in_redis(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel, redis: RedisServer
) -> None:
    llm = {
        "rateLimit": {"requestsPerMinute": 3, "backend": "Redis"},
        "cache": {"enabled": True, "backend": "Redis"},
        "redisSecretRef": {"name": "redis"},
    }
    cluster.apply(agent("counted", ray_server.address, model.url, llm=llm, execution={"workers": 2}))
    assert "spec.llm.redisSecretRef" in cluster.wait_condition("counted", "ModelReady", "SecretNotFound")[1]
    cluster.kubectl("create", "secret", "generic", "redis", f"--from-literal=redis-url={redis.url}")
    cluster.wait_condition("counted", "ExecutorReady", "CredentialsNotMounted")
    folder = ray_server.secrets_directory / cluster.get("cagent", "counted")["metadata"]["uid"]
    folder.mkdir()
    (folder / "redis-url").write_text(redis.url)
    cluster.wait_ready("counted")
    executor = cluster.get("cagent", "counted")["status"]["executor"]["submissionId"]

    def ask(name: str, question: str, timeout_s: int = 8) -> None:
        given = {"error_message": question}
        cluster.apply(task(name, "counted", input=given, timeoutSeconds=timeout_s, retryPolicy=NO_RETRY))

    for number in range(3):
        ask(f"t{number}", f"failure {number}")
    for number in range(3):
        cluster.wait_phase(f"t{number}", "Succeeded")
    ask("again", "failure 0")
    assert cluster.wait_phase("again", "Succeeded")["cacheHit"] is True
    ask("more", "failure 3")
    assert cluster.wait_phase("more", "Failed")["reason"] == "RateLimited"

    cluster.patch("cagent", "counted", {"spec": {"execution": {"mode": "Job"}}})
    ask("job", "failure 4", timeout_s=15)  # a job takes seconds to start
    status = cluster.wait_phase("job", "Failed", 60)
    assert (status["reason"], status["attempts"][0]["mode"]) == ("RateLimited", "Job")
    ask("job-again", "failure 1", timeout_s=40)
    assert cluster.wait_phase("job-again", "Succeeded", 60)["cacheHit"] is True

    redis.stop()
    ask("without", "failure 5", timeout_s=40)
    status = cluster.wait_phase("without", "Failed", 60)
    assert status["reason"] == "LedgerUnavailable"
    assert "no model was called uncounted" in status["message"]
    assert len(model.requests) == 3
    seen = cluster.kubectl("get", "cagent,ctask", "-o", "yaml")
    jobs = RaySubmissions(ray_server.address)
    logs = jobs.logs(executor) + jobs.logs(status["attempts"][0]["submissionId"])
    assert "LedgerLost" in logs
    assert redis.password not in seen + logs
    assert redis.password not in json.dumps(
        [jobs.details(executor), jobs.details(status["attempts"][0]["submissionId"])]
    )
