"""Time, order and failures of an agent's models, without a server."""

from dataclasses import dataclass, field
from math import inf

import pytest

from cognitive_runtime.adapters.model.fallback import FallbackClient
from cognitive_runtime.domain import (
    CredentialsNotMounted,
    CredentialsRefused,
    Message,
    ModelBehaviour,
    ModelEndpoint,
    ModelTimeout,
    ModelUnavailable,
    QuotaExceeded,
    RateLimited,
    ReasoningError,
    VLLMRequest,
    VLLMResponse,
)

REQUEST = VLLMRequest("m", (Message("user", "u"),))


@dataclass
class Clock:
    """Monotonic clock of a test."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Model:
    """Model that takes a time, at most until its deadline, and then fails or answers."""

    clock: Clock
    takes_s: float = 0.0
    error: ReasoningError | None = None
    deadlines_s: list[float] = field(default_factory=list)
    bounded: int = 0

    @property
    def behaviour(self) -> ModelBehaviour:
        return ModelBehaviour("u", f"takes {self.takes_s}", bounded=bool(self.bounded))

    def learn_bounded(self) -> None:
        self.bounded += 1

    async def generate(self, request: VLLMRequest, deadline_s: float = inf) -> VLLMResponse:
        self.deadlines_s.append(deadline_s)
        end_s = self.clock.now_s + self.takes_s
        self.clock.now_s = min(end_s, deadline_s)
        if end_s > deadline_s:
            raise ModelTimeout("too slow")
        if self.error:
            raise self.error
        return VLLMResponse("{}", "a", "DEV", request.model, None)


def client(clock: Clock, *models: Model, deadline_s: float = 160.0) -> FallbackClient:
    endpoints = [ModelEndpoint("openai", f"m{number}", f"http://u:p@host{number}") for number in range(len(models))]
    return FallbackClient(list(zip(endpoints, models, strict=True)), deadline_s, clock)


async def test_a_model_that_hangs_leaves_the_others_their_share_of_the_time() -> None:
    clock = Clock()
    models = [Model(clock, 1000.0), Model(clock, 1000.0), Model(clock, 5.0)]
    found = await client(clock, *models).generate(REQUEST)
    assert [model.deadlines_s for model in models] == [[120.0], [140.0], [160.0]]
    assert found.answered_by == ModelEndpoint("openai", "m2", "http://host2")


async def test_time_that_a_model_leaves_goes_to_the_next_ones() -> None:
    clock = Clock()
    models = [Model(clock, 6.0, ModelUnavailable("x")), Model(clock, 30.0, RateLimited("x")), Model(clock)]
    await client(clock, *models).generate(REQUEST)
    assert [model.deadlines_s for model in models] == [[120.0], [133.0], [160.0]]


async def test_a_single_model_has_all_of_the_time() -> None:
    clock = Clock()
    model = Model(clock, 59.0)
    await client(clock, model).generate(REQUEST)
    assert model.deadlines_s == [160.0]


async def test_without_a_deadline_there_is_none_for_any_model() -> None:
    clock = Clock()
    models = [Model(clock, 5.0, ModelUnavailable("x")), Model(clock)]
    await client(clock, *models, deadline_s=inf).generate(REQUEST)
    assert [model.deadlines_s for model in models] == [[inf], [inf]]


async def test_the_model_that_answered_keeps_all_of_the_time_that_is_left() -> None:
    clock = Clock()
    models = [Model(clock, 5.0, ModelUnavailable("x")), Model(clock, 5.0)]
    found = client(clock, *models)
    await found.generate(REQUEST)
    await found.generate(REQUEST)
    assert [model.deadlines_s for model in models] == [[130.0], [160.0, 160.0]]


async def test_the_behaviour_is_that_of_the_model_that_answers() -> None:
    clock = Clock()
    models = [Model(clock, 1.0, ModelUnavailable("x")), Model(clock, 2.0)]
    found = client(clock, *models)
    assert found.behaviour.model == "takes 1.0"
    await found.generate(REQUEST)
    found.learn_bounded()
    assert (found.behaviour.model, found.behaviour.bounded) == ("takes 2.0", True)
    assert [model.bounded for model in models] == [0, 1]


@pytest.mark.parametrize("kind", [QuotaExceeded, CredentialsRefused])
async def test_another_model_has_another_account(kind: type[ReasoningError]) -> None:
    clock = Clock()
    found = await client(clock, Model(clock, error=kind("x")), Model(clock)).generate(REQUEST)
    assert found.answered_by == ModelEndpoint("openai", "m1", "http://host1")


@pytest.mark.parametrize("kind", [QuotaExceeded, CredentialsRefused])
async def test_the_last_account_that_fails_is_named(kind: type[ReasoningError]) -> None:
    clock = Clock()
    with pytest.raises(kind, match=r"first\. second\.") as caught:
        await client(clock, Model(clock, error=RateLimited("first.")), Model(clock, error=kind("second."))).generate(
            REQUEST
        )
    assert caught.value.answered_by == ModelEndpoint("openai", "m1", "http://host1")


async def test_no_model_answered_if_the_last_one_was_unavailable() -> None:
    clock = Clock()
    models = [Model(clock, error=QuotaExceeded("x")), Model(clock, error=ModelUnavailable("y"))]
    with pytest.raises(ModelUnavailable) as caught:
        await client(clock, *models).generate(REQUEST)
    assert caught.value.answered_by is None


async def test_a_missing_key_ends_the_calls() -> None:
    clock = Clock()
    second = Model(clock)
    with pytest.raises(CredentialsNotMounted):
        await client(clock, Model(clock, error=CredentialsNotMounted("x")), second).generate(REQUEST)
    assert not second.deadlines_s
