"""Compiled programs: made through the core's model, saved, loaded into a core, exported."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest
import yaml

from cognitive_runtime.__main__ import main
from cognitive_runtime.adapters.dspy import CognitiveCore, InvalidProgram
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.task_modules import TaskModules
from cognitive_runtime.domain import (
    BudgetExceeded,
    CognitiveTaskType,
    Demonstration,
    VLLMRequest,
)
from cognitive_runtime.domain.cache_key import cache_key
from support.builders.cores import AGENT
from support.builders.runtime_requests import execution_request
from support.fakes.model_client import Answer, FakeModel, prompt

FAILURE = CognitiveTaskType.FAILURE_ANALYSIS
FailureAnalysis = SIGNATURES[FAILURE].signature
GOOD = {"thought": "t", "proposed_solution": "raise the limit", "confidence_score": 0.5}
TRAINSET = [
    dspy.Example(incident_context={"error_message": f"OOM {number}"}, proposed_solution="raise the limit").with_inputs(
        "incident_context"
    )
    for number in range(6)
]


def is_right(example: Any, found: Any, trace: Any = None) -> bool:
    return bool(example.proposed_solution == found.proposed_solution)


def optimizing() -> FakeModel:
    """Return a model of an optimizer: once it has proposed an instruction, only that one leads to right answers."""
    proposed: list[bool] = []

    def answer(request: VLLMRequest) -> Answer:
        names = list((request.json_schema or {}).get("properties", {}))
        if names != list(GOOD):
            proposed.append(True)
            return dict.fromkeys(names, "Name the limit that was reached.")
        is_wrong = proposed and "Name the limit" not in request.messages[0].content
        return GOOD | ({"proposed_solution": "wait"} if is_wrong else {})

    return FakeModel(by=answer)


def bootstrap(demos: int = 2) -> Any:
    return dspy.BootstrapFewShot(metric=is_right, max_bootstrapped_demos=demos, max_labeled_demos=0)


def mipro() -> Any:
    return dspy.MIPROv2(
        metric=is_right, auto=None, num_candidates=3, max_bootstrapped_demos=1, max_labeled_demos=0, num_threads=2
    )


def compiled(make: Callable[[], Any], model: FakeModel, **fields: Any) -> Any:
    def work() -> Any:
        optimizer, student = make(), dspy.Predict(FailureAnalysis)
        is_mipro = isinstance(optimizer, dspy.MIPROv2)
        more = {"num_trials": 3, "minibatch": False, "valset": TRAINSET[:3]} if is_mipro else {}
        return optimizer.compile(student, trainset=TRAINSET, **more)

    return CognitiveCore(model, AGENT).run_sync(work, **fields)


@pytest.mark.parametrize(
    ("make", "instructions", "demos"),
    [(bootstrap, FailureAnalysis.instructions, 2), (mipro, "Name the limit that was reached.", 0)],
    ids=["BootstrapFewShot", "MIPROv2"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::optuna.exceptions.ExperimentalWarning")
async def test_a_compiled_program_changes_the_answers_of_a_core(
    make: Callable[[], Any], instructions: str, demos: int, tmp_path: Path
) -> None:
    optimizer_model = optimizing()
    found = compiled(make, optimizer_model)
    assert found.usage.total_tokens == 15 * len(optimizer_model.requests) > 0
    path = tmp_path / "program.json"
    found.result.save(str(path))

    model = FakeModel(GOOD)
    await CognitiveCore(model, programs={FAILURE: path}).reason(execution_request())
    shown = [json.loads(each.content) for each in model.requests[0].messages[1:-1]]
    assert len(shown) == 2 * len(json.loads(path.read_text())["demos"]) >= 2 * demos
    assert all(answer == GOOD for answer in shown[1::2])
    assert instructions in model.requests[0].messages[0].content


def test_an_optimizer_ends_with_the_budget() -> None:
    once, model = optimizing(), optimizing()
    compiled(lambda: bootstrap(1), once)
    prompt_tokens = len(prompt(once.requests[0]).encode()) // 4
    with pytest.raises(BudgetExceeded):
        compiled(lambda: bootstrap(6), model, token_budget=prompt_tokens + 80)
    assert 1 <= len(model.requests) < 6


def program(tmp_path: Path, demos: list[dict[str, Any]] | None = None, module: Any = None) -> Path:
    made = module or dspy.Predict(FailureAnalysis.with_instructions("Think of memory first."))
    predictor = made if isinstance(made, dspy.Predict) else made.predict
    default = [{"augmented": True, "incident_context": {"error_message": "e"}, "memory_context": None, **GOOD}]
    predictor.demos = default if demos is None else demos
    path = tmp_path / "program.json"
    made.save(str(path))
    return path


async def test_instructions_and_demonstrations_of_a_program_are_shown(tmp_path: Path) -> None:
    model = FakeModel(GOOD)
    core = CognitiveCore(model)
    core.load_program("failure_analysis", program(tmp_path))
    shown = Demonstration(FAILURE, {"error_message": "agent's"}, GOOD)
    await core.reason(execution_request(agent={"demonstrations": (shown,)}))
    system, first, _, second, _, _ = model.requests[0].messages
    assert "Think of memory first." in system.content
    assert json.loads(first.content) == {"incident_context": {"error_message": "e"}}
    assert json.loads(second.content) == {"incident_context": {"error_message": "agent's"}}


async def test_a_chain_of_thought_is_loaded_by_its_one_predictor(tmp_path: Path) -> None:
    model = FakeModel(GOOD)
    path = program(tmp_path, module=dspy.ChainOfThought(FailureAnalysis))
    await CognitiveCore(model, programs={FAILURE: path}).reason(execution_request())
    assert len(model.requests[0].messages) == 4


async def test_a_saved_language_model_is_ignored_with_a_log_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = program(tmp_path)
    state = json.loads(path.read_text())
    state["lm"] = {"model": "openai/other", "api_base": "http://elsewhere", "_dspy_lm_class": "os.system"}
    path.write_text(json.dumps(state))
    model = FakeModel(GOOD)
    with caplog.at_level(logging.WARNING, "cognitive_runtime"):
        await CognitiveCore(model, programs={FAILURE: path}).reason(execution_request())
    assert model.requests[0].model == "scripted"
    assert [vars(record)["event"] for record in caplog.records] == ["ProgramModelIgnored"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no JSON", "is not JSON"),
        ("[]", "is no saved program"),
        ('{"metadata": {}}', "is no saved program"),
        ("\x80\x04pickle", "is not JSON"),
        ('{"signature": {"instructions": "i", "fields": []}, "demos": [], "lm": null}', "no predictor"),
    ],
)
def test_a_file_that_is_no_program_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidProgram, match=says):
        CognitiveCore(FakeModel("x"), programs={FAILURE: path})


def test_a_program_with_two_predictors_of_a_type_is_refused(tmp_path: Path) -> None:
    state = json.loads(program(tmp_path).read_text())
    path = tmp_path / "two.json"
    path.write_text(json.dumps({"a": state, "b": state}))
    with pytest.raises(InvalidProgram, match="2 predictors"):
        CognitiveCore(FakeModel("x"), programs={FAILURE: path})


def test_an_absent_file_and_another_type_are_told(tmp_path: Path) -> None:
    core = CognitiveCore(FakeModel("x"))
    with pytest.raises(InvalidProgram, match="No such file"):
        core.load_program(FAILURE, tmp_path / "absent.json")
    with pytest.raises(InvalidProgram, match="no predictor with the fields of task_planning"):
        core.load_program(CognitiveTaskType.TASK_PLANNING, program(tmp_path))


def test_a_program_and_demonstrations_are_part_of_the_cache_key(tmp_path: Path) -> None:
    plain_modules, loaded, other = TaskModules(), TaskModules(), TaskModules()
    loaded.load_program(FAILURE, program(tmp_path))
    other.load_program(FAILURE, program(tmp_path, []))
    versions = {each.of(execution_request()).version for each in (plain_modules, loaded, other)}
    assert len(versions) == 3
    shown = Demonstration(FAILURE, {"error_message": "e"}, GOOD)
    plain, with_demo = execution_request(), execution_request(agent={"demonstrations": (shown,)})
    assert cache_key(plain, "v") != cache_key(with_demo, "v")


def test_a_program_is_exported_as_the_yaml_of_an_agents_demonstrations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {"augmented": True, "incident_context": {"error_message": "é: kill"}, **GOOD}
    partial = {"incident_context": {"error_message": "e"}, "proposed_solution": "p"}
    assert main(["program", "export", str(program(tmp_path, [whole, partial]))]) == 0
    shown = capsys.readouterr()
    assert yaml.safe_load(shown.out) == [
        {"type": "FailureAnalysis", "input": {"error_message": "é: kill"}, "output": GOOD}
    ]
    assert "é" in shown.out
    assert "left out 1" in shown.err


async def test_exported_demonstrations_are_accepted_by_an_agent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planning = SIGNATURES[CognitiveTaskType.TASK_PLANNING].signature
    answer = {
        "thought": "t",
        "step_by_step_plan": ["one"],
        "estimated_complexity": 2,
        "complexity_rationale": "r",
        "risk_assessment": [],
    }
    demo = {"task_description": "d", "further_input": {"deadline": "Friday"}, **answer}
    main(["program", "export", str(program(tmp_path, [demo], dspy.Predict(planning)))])
    (found,) = yaml.safe_load(capsys.readouterr().out)
    shown = Demonstration(CognitiveTaskType.TASK_PLANNING, found["input"], found["output"])
    model = FakeModel(answer)
    await CognitiveCore(model).reason(
        execution_request(CognitiveTaskType.TASK_PLANNING, agent={"demonstrations": (shown,)})
    )
    expected = {"task_description": "d", "further_input": {"deadline": "Friday"}}
    assert json.loads(model.requests[0].messages[1].content) == expected


@pytest.mark.parametrize("text", ["{}", "no JSON"])
def test_the_export_of_another_file_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    assert main(["program", "export", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert str(path) in shown.err


def test_the_help_names_the_export(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["program", "export", "--help"])
    assert "module.save" in capsys.readouterr().out
