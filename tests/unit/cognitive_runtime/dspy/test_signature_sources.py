"""Signatures without Kubernetes: from a manifest, a dict or a class of DSPy, used by name."""

from enum import Enum
from pathlib import Path
from typing import Any, Literal

import dspy
import pytest
import yaml
from pydantic import BaseModel, Field

from cognitive_runtime.adapters.dspy.signatures.sources import read_signature
from cognitive_runtime.cognitive_core import CognitiveContext, CognitiveCore, InvalidSignature
from cognitive_runtime.domain import AgentSettings, SignatureField, TaskSignature
from support.builders.runtime_requests import execution_request
from support.builders.signatures import ANSWER, SPEC, manifest, snapshot, task_signature
from support.fakes.model_client import FakeModel

THOUGHT = {"reasoning": "r"}
INPUT = {"ticket": "The cart is slow."}


def agent() -> AgentSettings:
    return execution_request().agent


def written(tmp_path: Path, *documents: Any) -> Path:
    path = tmp_path / "signature.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def test_a_manifest_its_content_and_its_spec_are_the_same_signature(tmp_path: Path) -> None:
    path = written(tmp_path, {"kind": "CognitiveAgent", "metadata": {"name": "sre"}}, manifest())
    sources: list[Any] = [path, str(path), manifest(), SPEC | {"name": "triage", "generation": 4}, snapshot()]
    assert [read_signature(each) for each in sources] == [task_signature()] * len(sources)


def test_name_and_module_may_be_given() -> None:
    found = read_signature(manifest(), "other", "Predict")
    assert (found.name, found.module) == ("other", "Predict")
    assert read_signature(SPEC, "named").name == "named"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (manifest() | {"kind": "CognitiveTask"}, "kind must be CognitiveSignature"),
        (manifest() | {"apiVersion": "v1"}, "apiVersion one of cognitive.seedcore.io"),
        (manifest() | {"metadata": {}}, r"metadata\.name is missing"),
        (manifest() | {"spec": None}, "spec is missing"),
        (manifest(modul="Predict"), "spec has the unknown property modul"),
        (manifest(inputs=[{"name": "a", "typ": "string"}]), r"inputs\[0\] has the unknown property typ"),
        (manifest(inputs=[{"name": "a", "type": "text"}]), r"inputs\[0\]\.type: Input should be 'string'"),
        (manifest(inputs=["a"]), r"inputs\[0\]: "),
        (manifest(outputs=[{"name": "a", "type": "enum", "values": [True]}]), r"outputs\[0\]\.values\[0\]: "),
        (manifest(module="BestOfN"), "module: Input should be 'Predict', 'ChainOfThought' or 'ReAct'"),
        (SPEC, "name: Field required"),
        (42, "a path, a dict or a dspy.Signature class, not an object of int"),
        (BaseModel, "not an object of ModelMetaclass"),
    ],
)
def test_an_invalid_source_is_refused_by_field(source: Any, said: str) -> None:
    with pytest.raises(InvalidSignature, match=said):
        read_signature(source)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"kind: [", r"signature\.yaml: is not YAML in line"),
        (b"\x80\x81", r"signature\.yaml: is not YAML"),
        (b"", r"signature\.yaml: has 0 manifests of the kind CognitiveSignature; expected one"),
        (b"a: " + b"x" * 1024 * 1024, r"signature\.yaml: has 1048579 bytes"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "signature.yaml"
    path.write_bytes(content)
    with pytest.raises(InvalidSignature, match=said):
        read_signature(path)


def test_an_absent_file_and_an_endless_field_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSignature, match=r"absent\.yaml: No such file"):
        read_signature(tmp_path / "absent.yaml")
    path = tmp_path / "signature.yaml"
    spec = "spec: {instructions: i, inputs: [&a {name: n, type: list, items: *a}], outputs: []}"
    head = "{apiVersion: cognitive.seedcore.io/v1alpha1, kind: CognitiveSignature, metadata: {name: n}"
    path.write_text(f"{head}, {spec}}}")
    with pytest.raises(InvalidSignature, match="nested deeper than 5 levels"):
        read_signature(path)


class Severity(Enum):
    LOW = "low"
    HIGH = "high"


class Component(BaseModel):
    kind: str = Field(alias="class", description="Kind of the component.")
    port: int | None = Field(default=None, ge=1, le=65535)


class Cause(BaseModel):
    cause: str
    odds: float = Field(ge=0, le=1)


class Triage(dspy.Signature):
    """Triage a ticket.
    Name the worst problem first."""

    ticket: str = dspy.InputField(desc="The ticket as it was written.")
    affected_users: int | None = dspy.InputField(ge=0, default=None)
    severity: Severity = dspy.OutputField(desc="How bad it is.")
    score: float = dspy.OutputField(ge=0, le=10)
    summary: str = dspy.OutputField(max_length=80, min_length=1)
    is_urgent: bool = dspy.OutputField()
    owner: str | None = dspy.OutputField()
    component: Component = dspy.OutputField()
    causes: list[Cause] = dspy.OutputField(max_length=3)
    confidence: float = dspy.OutputField()


def test_a_class_of_dspy_is_the_same_signature_as_its_manifest() -> None:
    found, expected = read_signature(Triage, "triage", "ChainOfThought"), task_signature(demonstrations=[])
    assert found.outputs == expected.outputs
    assert found.inputs == expected.inputs[:2]
    assert (found.instructions, found.module) == (expected.instructions, "ChainOfThought")
    assert read_signature(Triage).name == "Triage"


class Labelled(dspy.Signature):
    text = dspy.InputField()
    labels: list[Literal["a", "b"]] = dspy.OutputField()


def test_a_field_without_a_type_is_a_text_and_items_keep_theirs() -> None:
    found = read_signature(Labelled)
    assert found.inputs == (SignatureField("text"),)
    item = SignatureField(type="enum", values=("a", "b"))
    assert found.outputs == (SignatureField("labels", "list", items=item),)


@pytest.mark.parametrize(
    "annotation", [dict[str, int], Any, int | str, dspy.Image, Literal[1, 2], list, tuple[int, int]]
)
def test_a_type_without_a_form_is_refused_with_a_remedy(annotation: Any) -> None:
    make: Any = dspy.Signature
    found = make({"a": (str, dspy.InputField()), "b": (annotation, dspy.OutputField())}, "Do it.")
    with pytest.raises(InvalidSignature, match=r"outputs\.b: .* has no form in a signature; .*task_handlers"):
        read_signature(found)


@pytest.mark.parametrize("bound", [{"gt": 0}, {"multiple_of": 2}])
def test_a_bound_without_a_form_is_refused(bound: dict[str, Any]) -> None:
    make: Any = dspy.Signature
    found = make({"a": (str, dspy.InputField()), "b": (int, dspy.OutputField(**bound))}, "Do it.")
    with pytest.raises(InvalidSignature, match=r"outputs\.b: "):
        read_signature(found)


class ExtendedCognitiveCore(CognitiveCore):
    """The core of the documentation's example, with a type of its own."""

    def __init__(self, model: FakeModel) -> None:
        super().__init__(model, agent())
        self.register_signature(Triage, name="triage", module="ChainOfThought")


def test_a_registered_signature_is_used_by_name() -> None:
    model = FakeModel({**THOUGHT, **ANSWER})
    result = ExtendedCognitiveCore(model)(CognitiveContext("a", "triage", INPUT))  # type: ignore[arg-type]
    assert {name: result[name] for name in ANSWER} == ANSWER
    assert (result["success"], result["task_type"], result["confidence"]) == (True, "triage", 0.8)


def test_an_input_that_does_not_match_is_a_failure_by_field() -> None:
    core = ExtendedCognitiveCore(FakeModel("x"))
    result = core(CognitiveContext("a", "triage", {"ticket": 1}))  # type: ignore[arg-type]
    assert (result["success"], result["error_type"]) == (False, "InvalidRequest")
    assert result["error"] == "input.ticket must be a text (signature triage)."


def test_an_unknown_type_names_the_registered_ones() -> None:
    result = ExtendedCognitiveCore(FakeModel("x"))(CognitiveContext("a", "unknown", {}))  # type: ignore[arg-type]
    assert "capability_assessment, proposal, triage; add a handler" in result["error"]


@pytest.mark.parametrize("name", ["failure_analysis", "proposal", "handled"])
def test_a_name_in_use_is_refused(name: str) -> None:
    core = CognitiveCore(FakeModel("x"), agent())
    core.task_handlers["handled"] = lambda **_: {}
    with pytest.raises(InvalidSignature, match=f"name: {name} is a built-in task type or has a handler"):
        core.register_signature(manifest(), name=name)


def test_a_handler_named_custom_answers_no_signature() -> None:
    model = FakeModel({**THOUGHT, **ANSWER})
    core = CognitiveCore(model, agent())
    core.task_handlers["custom"] = lambda **_: {"answer": "handler"}
    found: TaskSignature = core.register_signature(manifest())
    assert core(CognitiveContext("a", "custom", {}))["answer"] == "handler"  # type: ignore[arg-type]
    assert core(CognitiveContext("a", found.name, INPUT))["summary"] == ANSWER["summary"]  # type: ignore[arg-type]
