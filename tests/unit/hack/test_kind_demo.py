import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cognitive_runtime.adapters.dspy.schemas.signature_outputs import Bounds
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.prompt import system_message
from controlplane import Kubectl
from demo.examples import load_demonstrations, load_examples
from kind_demo import __main__ as kind_demo
from kind_demo.commands import KindDemoError
from kind_demo.kind import Kind, find_kind
from kind_demo.kuberay import ensure_kuberay
from kind_demo.manifests import ANSWER_TOKENS, CONTEXT_TOKENS, agent_manifest, of_agent
from kind_demo.programs import check_programs
from kind_demo.readiness import DEADLINE_S, IMAGE_PULL_TIMEOUT_S, ReadinessMonitor
from kind_demo.release import chart_values
from kind_demo.settings import settings_from
from support.builders.crd_schema import examples, part, strict
from support.fakes.clock import FakeClock

TASKS = load_examples(kind_demo.ROOT / "examples").tasks
BUILT_IN = [each for each in TASKS if each["spec"]["type"] != "Custom"]
"""The tasks whose signatures the runtime has; the demonstrations of a Custom task are its signature's."""
PULL = """Creating cluster "cognitive" ...
ERROR: failed to create cluster: failed to pull image "kindest/node:v1.36.0": \
command "docker pull kindest/node:v1.36.0" failed with error: exit status 1"""
FAKE_KIND = """#!/bin/sh
echo "$@" >> "$0.log"
case "$1" in
  get) echo other; echo "$KIND_HAS" ;;
  create) echo '{said}' >&2; exit {code} ;;
esac
"""


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it but what a test puts into the folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("controlplane.gobuild.INSTALL_DIRECTORIES", ())
    for name in ("HELM", "KUBEBUILDER_ASSETS", "CONTEXT", "KIND_CLUSTER", "IMAGE_TAG", "IMAGE_PREFIX", "KIND_HAS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_all_that_is_missing_is_said_at_once(bare: Path) -> None:
    with pytest.raises(KindDemoError) as caught:
        check_programs(settings_from({}))
    title, *lines = str(caught.value).splitlines()
    assert title == "missing:"
    assert [line.split(":")[0].split()[1] for line in lines] == ["kubectl", "go", "docker"]
    assert "to build helm and kind" in lines[1]


def test_a_docker_that_does_not_answer_is_no_docker(bare: Path) -> None:
    for name in ("kubectl", "kind", "go"):
        program(bare / name)
    program(bare / "docker", "#!/bin/sh\necho no daemon >&2; exit 1\n")
    with pytest.raises(
        KindDemoError, match=r"^missing:\n  - a running docker daemon: start it \(docker's error: no daemon\)$"
    ):
        check_programs(settings_from({}))


def test_a_cluster_that_exists_needs_neither_docker_nor_kind(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = program(bare / "kubectl")
    monkeypatch.setenv("HELM", str(program(bare / "helm")))
    assert check_programs(settings_from({"CONTEXT": "mine"})) == kubectl


def test_a_node_image_that_cannot_be_pulled_is_told_with_what_to_do(bare: Path) -> None:
    kind = Kind(program(bare / "kind", FAKE_KIND.format(said=PULL, code=1)), "cognitive")
    with pytest.raises(KindDemoError) as caught:
        kind.create(None)
    for words in (
        "docker cannot pull kind's node image",
        "kindest/node:v1.36.0",
        "KIND_NODE_IMAGE=",
        "CONTEXT=",
    ):
        assert words in str(caught.value)


def test_another_trouble_of_kind_is_told_as_it_is(bare: Path) -> None:
    kind = Kind(program(bare / "kind", FAKE_KIND.format(said="no space left", code=1)), "cognitive")
    with pytest.raises(KindDemoError, match=r"could not create the cluster 'cognitive':\nno space left$"):
        kind.create(None)


def test_the_cluster_and_its_node_are_as_chosen(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(bare / "kind", FAKE_KIND.format(said="", code=0))
    assert find_kind() == path
    kind = Kind(path, "mine")
    assert not kind.exists
    kind.create("node:1")
    monkeypatch.setenv("KIND_HAS", "mine")
    assert kind.exists
    assert "create cluster --image node:1 --wait=180s --name mine" in Path(f"{path}.log").read_text()


def test_without_a_cluster_there_is_nothing_to_delete(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(bare / "kind", FAKE_KIND.format(said="", code=0))
    assert kind_demo.down(settings_from({})) == 0
    assert capsys.readouterr().out == "kind-demo: the cluster 'cognitive' does not exist\n"


def test_a_kuberay_that_is_there_is_left_alone(bare: Path) -> None:
    script = '#!/bin/sh\necho "$@" >> "$0.log"\necho customresourcedefinition/rayclusters.ray.io\n'
    kubectl = Kubectl(program(bare / "kubectl", script), bare / "kubeconfig")
    ensure_kuberay(kubectl)
    assert Path(f"{kubectl.program}.log").read_text() == "get crd rayclusters.ray.io --ignore-not-found\n"


def test_a_kuberay_that_cannot_be_fetched_is_told_with_what_to_do(bare: Path) -> None:
    kubectl = Kubectl(program(bare / "kubectl"), bare / "kubeconfig")
    program(bare / "go", "#!/bin/sh\necho no network >&2; exit 1\n")
    with pytest.raises(
        KindDemoError,
        match=r"(?s)cannot download KubeRay v1\.6\.1: no network.*helm install kuberay-operator .* 1\.6\.1",
    ):
        ensure_kuberay(kubectl)


@pytest.mark.parametrize("model", ["Qwen/Qwen2.5-0.5B-Instruct", "/models/tiny"])
def test_the_agent_is_valid_and_has_everything_of_its_own(model: str) -> None:
    (example,) = [m for m in examples() if m["metadata"]["name"] == "sre"]
    spec = agent_manifest(settings_from({"VLLM_MODEL": model, "VLLM_IMAGE": "v:1"}), example)["spec"]
    jsonschema.validate(spec, strict(part("CognitiveAgent", "spec")))
    assert (spec["llm"]["model"], spec["llm"]["vllm"]["image"], spec["llm"]["vllm"]["gpus"]) == (model, "v:1", 0)
    assert ("modelCache" in spec["llm"]["vllm"]) is (not model.startswith("/"))
    assert "endpoint" not in spec["llm"]
    assert set(spec["ray"]) == {"cluster"}


def test_the_agent_has_bounded_answers_and_demonstrations_and_no_temperature_of_its_own() -> None:
    (example,) = [m for m in examples() if m["metadata"]["name"] == "sre"]
    spec = agent_manifest(settings_from({}), example)["spec"]
    assert (spec["llm"]["structuredOutput"], spec["llm"]["temperature"]) == ("Bounded", 0)
    assert spec["demonstrations"] == load_demonstrations()
    assert {each["type"] for each in spec["demonstrations"]} == {each["spec"]["type"] for each in BUILT_IN}


def test_the_prompt_with_demonstrations_fits_the_window_of_a_model_with_a_token_for_each_character() -> None:
    for each in of_agent(BUILT_IN, "sre"):
        type_, spec = each["spec"]["type"], each["spec"]
        (signature,) = [found.signature for found in SIGNATURES.values() if found.signature.__name__ == type_]
        system = system_message("", signature, dict.fromkeys(signature.input_fields, ""), Bounds(100, 20, 5))
        shown = [json.dumps(found) for found in load_demonstrations() if found["type"] == type_]
        prompt = "".join([system, *shown, json.dumps({**spec["input"], **spec["context"]})])
        assert len(prompt) + ANSWER_TOKENS < CONTEXT_TOKENS


def test_all_seven_types_the_deliberation_and_the_chain_are_for_the_one_agent() -> None:
    tasks = of_agent(TASKS, "sre")
    plain = [task["spec"]["type"] for task in tasks if not task["spec"].keys() & {"deliberation", "dependsOn"}]
    assert len(set(plain)) == len(plain) == 7
    assert len(tasks) == 9
    assert {task["spec"]["agentRef"]["name"] for task in tasks} == {"sre"}
    assert all(task["spec"]["context"].keys() >= {"energy", "lifecycle", "memory"} for task in tasks)


def test_on_anothers_cluster_the_operator_has_one_namespace(bare: Path) -> None:
    assert not [value for value in chart_values(settings_from({})) if value.startswith("watchNamespaces")]
    values = chart_values(settings_from({"CONTEXT": "mine", "DEMO_NAMESPACE": "try"}))
    assert {"watchNamespaces={try}", "rbac.aggregate=false"} <= set(values)


def test_images_are_those_that_were_built(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_PREFIX", "r.example:5000/team")
    monkeypatch.setenv("IMAGE_TAG", "candidate")
    values = chart_values(settings_from({}))
    assert {"image.repository=r.example:5000/team/cognitive-operator", "image.tag=candidate"} <= set(values)
    assert {"runtime.image.repository=r.example:5000/team/cognitive-runtime", "runtime.image.tag=candidate"} <= set(
        values
    )


def status(reason: str, verdict: str = "False", name: str = "ModelReady") -> dict[str, Any]:
    return {"conditions": [{"type": name, "status": verdict, "reason": reason, "message": f"about {reason}"}]}


def test_each_change_of_a_condition_is_said_once() -> None:
    monitor = ReadinessMonitor("v:1")
    assert monitor.observe({}) == (False, [])
    assert monitor.observe(status("ModelStarting")) == (
        False,
        ["  ModelReady=False ModelStarting: about ModelStarting"],
    )
    assert monitor.observe(status("ModelStarting")) == (False, [])
    assert monitor.observe(status("Available", "True", "Ready"))[0]


def test_an_image_that_stays_away_ends_the_wait_in_words() -> None:
    clock = FakeClock(monotonic_s=0.0)
    monitor = ReadinessMonitor("v:1", clock.monotonic)
    monitor.observe(status("ImagePullFailed"))
    clock.monotonic_s = IMAGE_PULL_TIMEOUT_S - 1
    monitor.observe(status("ModelStarting"))
    monitor.observe(status("ImagePullFailed"))
    clock.monotonic_s += IMAGE_PULL_TIMEOUT_S - 1
    monitor.observe(status("ImagePullFailed"))
    clock.monotonic_s += 1
    with pytest.raises(KindDemoError, match=r"(?s)cannot pull an image: about ImagePullFailed.*VLLM_IMAGE=v:1"):
        monitor.observe(status("ImagePullFailed"))


def test_a_wait_has_an_end_that_tells_what_was_last() -> None:
    clock = FakeClock(monotonic_s=0.0)
    monitor = ReadinessMonitor("v:1", clock.monotonic)
    clock.monotonic_s = DEADLINE_S
    with pytest.raises(KindDemoError, match="ModelReady=Unschedulable: about Unschedulable"):
        monitor.observe(status("Unschedulable"))
