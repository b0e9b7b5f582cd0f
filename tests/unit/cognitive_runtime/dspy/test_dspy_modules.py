"""DSPy's modules on the core's model: attempts, budget, deadline, cancellation, handlers."""

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import dspy
import pytest

from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.domain import (
    BudgetExceeded,
    CognitiveContext,
    CognitiveTaskType,
    DeadlineExceeded,
    InternalError,
    ModelUnavailable,
    OutputParseError,
    VLLMRequest,
)
from support.builders.answers import GOOD
from support.builders.cores import core_of
from support.builders.runtime_requests import execution_request
from support.fakes.model_client import Answer, FakeModel, prompt, response


def scored(*rewards: float) -> Callable[[Any, Any], float]:
    left = list(rewards)
    return lambda _, __: left.pop(0)


def best_of(number: int, reward: Callable[[Any, Any], float], threshold: float = 1.0) -> dspy.BestOfN:
    return dspy.BestOfN(dspy.ChainOfThought("question -> answer"), N=number, reward_fn=reward, threshold=threshold)


def numbered() -> FakeModel:
    count = iter(range(100))
    return FakeModel(by=lambda _: {"reasoning": "r", "answer": str(next(count))})


async def test_best_of_n_returns_the_best_of_its_attempts() -> None:
    model = numbered()
    found = await core_of(model).run_module(best_of(3, scored(0.1, 0.9, 0.5)), {"question": "q"})
    assert found.result.answer == "1"
    assert [each.temperature for each in model.requests] == [1.0, 1.0, 1.0]
    assert found.usage.total_tokens == 45


async def test_refine_gives_advice_through_the_core_s_adapter() -> None:
    def answer(request: VLLMRequest) -> Answer:
        if "advice" in json.dumps(request.json_schema):
            return {"discussion": "d", "advice": {"predict.predict": "Answer in one word."}}
        return {"reasoning": "r", "answer": "better" if "one word" in prompt(request) else "first"}

    model = FakeModel(by=answer)
    module = Answering()
    refine = dspy.Refine(module, N=2, reward_fn=one_word, threshold=1.0)
    found = await core_of(model).run_module(refine, {"question": "q"})
    assert found.result.answer == "better"
    assert len(model.requests) == 3


class Answering(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.predict = dspy.ChainOfThought("question -> answer")

    def forward(self, question: str) -> dspy.Prediction:
        return self.predict(question=question)


def one_word(_: Any, found: Any) -> float:
    return 1.0 if found.answer == "better" else 0.0


async def test_best_of_n_ends_at_once_when_the_budget_is_used_up(capsys: pytest.CaptureFixture[str]) -> None:
    model = numbered()
    with pytest.raises(BudgetExceeded):
        await core_of(model).run_module(best_of(50, lambda _, __: 0.0), {"question": "q"}, token_budget=300)
    assert len(model.requests) < 15
    assert "BestOfN" not in capsys.readouterr().out


async def test_best_of_n_ends_with_the_deadline() -> None:
    model = numbered()
    model.hangs_from = 1
    with pytest.raises(DeadlineExceeded, match=r"limit of 0\.2 s"):
        await core_of(model).run_module(best_of(50, lambda _, __: 0.0), {"question": "q"}, timeout_seconds=0.2)
    assert len(model.requests) == 1


async def test_a_module_that_calls_no_model_ends_with_the_deadline_too() -> None:
    release = threading.Event()
    core = core_of(FakeModel("x"))
    try:
        with pytest.raises(DeadlineExceeded):
            await core.run(lambda: release.wait(20), timeout_seconds=0.1)
    finally:
        release.set()


async def test_a_cancelled_attempt_makes_no_further_call() -> None:
    model = numbered()
    model.hangs_from = 1
    errors: list[BaseException] = []
    ended = threading.Event()

    def work() -> None:
        try:
            best_of(50, lambda _, __: 0.0)(question="q")
        except BaseException as error:
            errors.append(error)
            with suppress(BaseException):
                dspy.settings.lm("once more")
            ended.set()

    running = asyncio.create_task(core_of(model).run(work))
    await asyncio.wait_for(model.called.wait(), 10)
    running.cancel()
    with pytest.raises(InternalError, match="cancelled"):
        await running
    assert await asyncio.to_thread(ended.wait, 10)
    assert type(errors[0]).__name__ == "AttemptEnded"
    assert (len(model.requests), model.waiting) == (1, 0)


async def test_errors_that_best_of_n_prints_are_not_lost() -> None:
    model = FakeModel(ModelUnavailable("HTTP 503"))
    with pytest.raises(ModelUnavailable):
        await core_of(model).run_module(best_of(2, lambda _, __: 0.0), {"question": "q"})
    assert len(model.requests) == 2


async def test_many_modules_run_at_once_on_one_event_loop() -> None:
    core = core_of(numbered())
    runs = [core.run_module(best_of(3, scored(0.0, 0.0, 0.0)), {"question": "q"}) for _ in range(20)]
    async with asyncio.timeout(30):
        found = await asyncio.gather(*runs)
    assert {each.usage.total_tokens for each in found} == {45}


async def test_a_module_in_the_event_loop_is_told_to_await() -> None:
    model = numbered()

    async def work() -> Any:
        return dspy.Predict("question -> answer")(question="q")

    with pytest.raises(dspy.LMConfigurationError, match="run_module"):
        await core_of(model).run(work)
    assert not model.requests


async def test_a_coroutine_function_runs_in_the_event_loop() -> None:
    async def work() -> Any:
        return await dspy.Predict("question -> answer").acall(question="q")

    assert (await core_of(numbered()).run(work)).result.answer == "0"


class OnlyAsynchronous(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.predict = dspy.Predict("question -> answer")

    async def aforward(self, question: str) -> dspy.Prediction:
        assert threading.current_thread() is threading.main_thread()
        return await self.predict.acall(question=question)


async def test_a_module_that_is_only_asynchronous_is_awaited() -> None:
    assert (await core_of(numbered()).run_module(OnlyAsynchronous(), {"question": "q"})).result.answer == "0"


def test_a_script_runs_a_function_with_the_core_s_model() -> None:
    found = core_of(numbered()).run_sync(lambda: dspy.Predict("question -> answer")(question="q"))
    assert (found.result.answer, found.usage.total_tokens) == ("0", 15)


async def test_other_adapters_of_dspy_work_on_the_same_model() -> None:
    model = FakeModel("[[ ## answer ## ]]\nfour\n\n[[ ## completed ## ]]")

    def work() -> Any:
        with dspy.context(adapter=dspy.ChatAdapter()):
            return dspy.Predict("question -> answer")(question="2+2?")

    assert (await core_of(model).run(work)).result.answer == "four"
    assert model.requests[0].output == "Text"


async def test_a_crash_of_a_module_is_not_a_failure_of_the_model() -> None:
    def work() -> None:
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        await core_of(FakeModel("x")).run(work)


async def test_a_handler_takes_the_place_of_the_core_s_predictor() -> None:
    model = FakeModel({**GOOD, "thought": "first"}, {**GOOD, "thought": "second"})
    core = core_of(model)
    signature = SIGNATURES[CognitiveTaskType.FAILURE_ANALYSIS].signature
    core.task_handlers["failure_analysis"] = dspy.BestOfN(dspy.Predict(signature), 2, scored(0.1, 0.2), 1.0)
    found = await core.reason(execution_request())
    assert (found.outputs, found.thought, found.confidence) == ({**GOOD, "thought": "second"}, "second", 0.5)
    assert found.usage.total_tokens == 30


async def test_a_handler_that_lacks_an_output_of_its_type_is_told_by_name() -> None:
    core = core_of(FakeModel("x"))
    core.task_handlers["failure_analysis"] = lambda **_: {"thought": "t"}
    with pytest.raises(OutputParseError, match="proposed_solution"):
        await core.reason(execution_request())


def test_a_handler_of_a_new_type_answers_contexts() -> None:
    model = FakeModel({"reasoning": "r", "answer": "a"})
    core = core_of(model)
    core.task_handlers["custom_task"] = dspy.ChainOfThought("question -> answer")
    found = core(CognitiveContext("a1", "custom_task", {"question": "q"}))  # type: ignore[arg-type]
    assert (found["success"], found["answer"], found["task_type"]) == (True, "a", "custom_task")


async def test_the_executor_gets_the_used_tokens_of_a_cancelled_reasoning() -> None:
    model = FakeModel("no JSON", GOOD)
    model.hangs_from = 2
    running = asyncio.create_task(core_of(model).reason(execution_request()))
    await asyncio.wait_for(model.called.wait(), 10)
    running.cancel()
    with pytest.raises(InternalError) as caught:
        await running
    assert caught.value.usage.total_tokens == 15


async def test_an_error_has_the_typed_thought_beside_the_thinking() -> None:
    typed = response(json.dumps({"thought": "typed"}), reasoning="native")
    with pytest.raises(OutputParseError) as caught:
        await core_of(FakeModel(typed)).reason(execution_request())
    assert (caught.value.thought, caught.value.native_reasoning) == ("typed", "native")
