"""An agent whose first model is out of reach, and its fallbacks."""

from dataclasses import dataclass, field

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.ports.model import InferenceResult, ModelProbeResult, ModelTarget
from cognitive_operator.reconcile.agent.model.fallbacks import with_fallbacks
from support.builders import operator_objects as o
from support.fakes.kube import FakeSecrets

UNREACHABLE = Condition.false(AgentCondition.MODEL_READY, Reason.MODEL_UNREACHABLE, "http://model/v1: no connection")


@dataclass
class Probe:
    """Endpoints that answer, and what they were asked with."""

    up: set[str]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    async def infer(self, target: ModelTarget, model: str, api_key: str | None, timeout_s: float) -> InferenceResult:
        raise AssertionError("a fallback is not asked for an inference")

    async def check(self, target: ModelTarget, api_key: str | None) -> ModelProbeResult:
        self.asked.append((target.endpoint, api_key))
        return ModelProbeResult(ok=target.endpoint in self.up, reason=Reason.AVAILABLE, message="")


def agent(*fallbacks: tuple[str, str | None]) -> Agent:
    listed = [
        {"model": "m", "endpoint": url} | ({"apiKeySecretRef": {"name": secret}} if secret else {})
        for url, secret in fallbacks
    ]
    llm = {"provider": "openai", "model": "m", "endpoint": "http://model/v1", "fallbacks": listed}
    return Agent.model_validate(o.agent_body(llm=llm))


async def test_the_first_fallback_that_answers_makes_the_agent_ready() -> None:
    probe = Probe({"http://b", "http://c"})
    secrets = FakeSecrets(values={("team", "s", "api-key"): "k"})
    found = await with_fallbacks(
        secrets, probe, agent(("http://a", None), ("http://b", "s"), ("http://c", None)), UNREACHABLE
    )
    assert (found.status, found.reason) == ("True", "FallbackAvailable")
    assert "http://model/v1" in found.message
    assert found.message == f"{UNREACHABLE.message}. Meanwhile executors use spec.llm.fallbacks[1], http://b."
    assert probe.asked == [("http://a", None), ("http://b", "k"), ("http://c", None)]


@pytest.mark.parametrize(
    "fallbacks", [(), (("http://a", None),), (("http://b", "absent"),)], ids=["none", "down", "without its Secret"]
)
async def test_without_one_that_answers_it_stays_as_it_is(fallbacks: tuple[tuple[str, str | None], ...]) -> None:
    assert await with_fallbacks(FakeSecrets(), Probe({"http://b"}), agent(*fallbacks), UNREACHABLE) == UNREACHABLE


@pytest.mark.parametrize("reason", [Reason.AVAILABLE, Reason.CREDENTIALS_REJECTED, Reason.MODEL_NOT_SERVED])
async def test_fallbacks_are_asked_only_when_the_first_is_out_of_reach(reason: Reason) -> None:
    first, probe = Condition.false(AgentCondition.MODEL_READY, reason, "x"), Probe({"http://b"})
    assert await with_fallbacks(FakeSecrets(), probe, agent(("http://b", None)), first) == first
    assert not probe.asked
