"""The whole way of one agent: from `helm install` to `helm uninstall`, in namespaces that admit restricted pods alone.

The tests are the chapters of one story, in their order. In each mode a task of each type is done E2E_ROUNDS times.
"""

import os
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import yaml

from cognitive_runtime.adapters.dspy.calls.answer_limits import AnswerLimits
from cognitive_runtime.adapters.dspy.schemas.output_schema import OutputSchema
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.model.provider_api import ProviderAPI
from cognitive_runtime.adapters.model.request_body import request_body
from cognitive_runtime.domain import CognitiveTaskType, Message, ModelBehaviour, VLLMRequest
from helm import Helm, find_helm
from support.builders.code_texts import code_text
from support.builders.cognitive_objects import INPUTS, Cluster, task
from support.builders.managed_agents import MODEL, READY_S, need_kuberay, need_vllm, ray_cluster, thinker
from support.cluster.chart_release import NARROW, Release, make_namespace
from support.cluster.whole_way import OWNER, SERVERS, WholeWay
from support.eventually import eventually

ROUNDS = int(os.environ.get("E2E_ROUNDS", "2"))
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420 + 150 * ROUNDS)]

HEAD: dict[str, Any] = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "3Gi"}}
"""Room for the executor and for three attempts in Job mode."""

EXACT = code_text(1000)
OUTPUTS: dict[str, dict[str, Any] | None] = {
    "alone": None,
    "const": {"const": EXACT},
    "object": {
        "type": "object",
        "properties": {
            "severity": {"enum": ["low", "high"]},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        },
        "required": ["severity", "steps"],
        "$defs": {"step": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    },
}
"""Output schemas of tasks by a name, and None for an answer without such an output."""
SHORT_TOKENS = 48
"""More than the beginning of an answer needs: its first key, and white space between the marks."""
EXACT_LLM = {"maxTokens": 3072, "timeoutSeconds": 240}
"""Room for EXACT, which costs the tiny model up to 1,200 tokens, and for the other texts, which get half of the tokens.

Simulated with xgrammar 0.2.8 and a uniform choice of tokens, an answer takes 1,500 to 2,800 tokens. The prompt takes
3,800 of the 8,192 tokens of the model's window.
"""


def free_request(type_: CognitiveTaskType, output: dict[str, Any] | None) -> dict[str, Any]:
    """Return the body of a short completion, held to the free schema of a task type."""
    own = OutputSchema(output) if output else None
    asked = AnswerLimits(SHORT_TOKENS, "Schema").response_format(SIGNATURES[type_].signature, own)
    assert asked is not None
    return held_to(asked["schema"])


def held_to(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a short completion, held to a schema."""
    request = VLLMRequest(MODEL, (Message("user", "why?"),), max_tokens=SHORT_TOKENS, json_schema=schema)
    return request_body(request, ModelBehaviour("", MODEL), ProviderAPI())


def is_begun(content: str, first: str) -> bool:
    """Tell whether a text that may be cut off begins as an object with a first text field, apart from white space."""
    beginning, found = f'{{"{first}":"', "".join(content.split())
    return found != "" and (beginning.startswith(found) or found.startswith(beginning))


@pytest.fixture(scope="module")
def way(control_plane: Any, crds: None) -> Iterator[WholeWay]:
    """The chart, installed for one namespace of users, in which nothing is yet."""
    program, kubectl = find_helm(), control_plane.kubectl
    assert program is not None, "helm is not there: `make helm` builds it"
    need_kuberay(kubectl)
    need_vllm(kubectl)
    home = f"users-{uuid.uuid4().hex[:8]}"
    release = Release(Helm(program, kubectl.kubeconfig), kubectl, NARROW, home=home)
    make_namespace(kubectl, home)
    users = Cluster(kubectl.within(home))
    try:
        release.begin()
        yield WholeWay(release, users)
    finally:
        users.kubectl.delete("ctask,cagent", "--all")
        release.end()
        kubectl.delete("namespace", home)


@pytest.fixture(scope="module")
def before(way: WholeWay) -> tuple[set[str], dict[str, list[str]]]:
    """Objects before the agent's creation, in its namespace and on the broker."""
    eventually(way.release.leading_pod, 60.0, 1.0)
    return way.objects(), eventually(way.release.broker, 60.0, 1.0)


def test_one_agent_brings_up_its_ray_cluster_and_its_model(way: WholeWay, before: Any) -> None:
    vllm = {"modelCache": {"size": "1Gi"}}
    queue = {"maxConcurrentTasks": 3}
    way.users.apply(thinker(OWNER, ray_cluster(head={"resources": HEAD}), vllm, queue=queue))
    way.users.wait_ready(OWNER, READY_S)
    model = way.agent()["model"]
    assert model["name"] == MODEL
    assert model["tokensPerSecond"] > 0
    assert model["timeToFirstTokenMilliseconds"] > 0
    holds = way.release.broker()
    uid = way.users.get("cagent", OWNER)["metadata"]["uid"]
    assert holds["consumers"] == [uid]
    assert holds["buckets"] == [f"OBJ_results-{uid}"]
    assert len(holds["accounts"]) == len(before[1]["accounts"]) + 1


def test_all_its_pods_are_admitted_where_pod_security_is_enforced(way: WholeWay) -> None:
    for kubectl in (way.users.kubectl, way.release.cluster.kubectl):
        labels = way.release.admin.json("get", "namespace", str(kubectl.namespace))["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        pods = kubectl.json("get", "pods")["items"]
        assert len(pods) == (2 if kubectl is way.users.kubectl else 3)
        assert {pod["status"]["phase"] for pod in pods} == {"Running"}


@pytest.mark.parametrize("mode", ["Embedded", "Job"])
def test_every_type_succeeds_in_the_first_attempt_round_after_round(way: WholeWay, mode: str) -> None:
    way.change(execution={"mode": mode})
    way.users.wait_ready(OWNER, 60.0)
    for number in range(1, ROUNDS + 1):
        ended = way.round(f"{mode.lower()}-{number}")
        assert {status["mode"] for status in ended.values()} == {mode}


def test_the_agents_counters_agree_with_its_tasks(way: WholeWay) -> None:
    tasks = way.users.tasks().values()
    assert len(tasks) == 2 * ROUNDS * len(INPUTS)
    eventually(lambda: way.agent().get("tasksProcessed") == len(tasks), 20.0, 0.5)
    status = way.agent()
    assert status["tasksSucceeded"] == len(tasks)
    assert status["tokens"]["total"] == sum(each["usage"]["totalTokens"] for each in tasks)
    assert (status["queued"], status["running"]) == (0, 0)


def test_an_attempt_in_job_mode_runs_in_a_warm_slot_of_the_pod(way: WholeWay) -> None:
    way.change(execution={"mode": "Job", "job": {"warmSlots": 2}, "resources": {"cpu": "50m", "memory": "256Mi"}})
    try:
        ready = "2 of 2 warm slots are ready"
        eventually(lambda: way.users.condition(OWNER, "ExecutorReady")[2].startswith(ready), 90.0, 0.5)
        status = way.think("warm")
        (attempt,) = status["attempts"]
        assert (status["mode"], attempt["worker"][:4], attempt.get("submissionId")) == ("Job", "ca-s", None)
    finally:
        way.change(execution={"job": None, "resources": None})


def test_the_grammar_engine_accepts_the_free_schema_of_every_type(way: WholeWay) -> None:
    asked = {f"{kind} {name}": free_request(kind, output) for kind in SIGNATURES for name, output in OUTPUTS.items()}
    found = way.completions(asked | {"unknown": held_to({"type": "no such type"})})
    assert found.pop("unknown")["status"] != 200, "the server takes any schema, so that it may apply none"
    assert {name: each for name, each in found.items() if each["status"] != 200} == {}
    firsts = {str(kind): next(iter(each.signature.output_fields)) for kind, each in SIGNATURES.items()}
    others = [name for name, each in found.items() if not is_begun(each["content"], firsts[name.split()[0]])]
    assert not others, f"answers of another form than asked for: {others}"


def test_a_const_with_quotes_back_slashes_and_code_arrives_unchanged(way: WholeWay) -> None:
    way.change(llm=EXACT_LLM)
    way.users.apply(task("exact", OWNER, outputSchema={"const": EXACT}))
    way.ends(["exact"], READY_S)
    status = yaml.safe_load(way.users.kubectl("get", "ctask", "exact", "-o", "yaml"))["status"]
    assert status["result"]["output"] == EXACT
    way.change(llm=dict.fromkeys(EXACT_LLM))


def test_a_change_replaces_the_executor_and_loses_no_task(way: WholeWay) -> None:
    way.change(execution={"mode": "Embedded"})
    way.users.wait_ready(OWNER, 90.0)
    old = way.agent()["executor"]["submissionId"]
    running = [f"running-{number}" for number in range(12)]
    way.submit(*running)
    eventually(lambda: any(s.get("phase") == "Running" for s in way.users.tasks().values()), 60.0, 0.1)
    way.change(execution={"concurrencyPerWorker": 4})
    assert old in {status["submissionId"] for status in way.ends(running, 120.0).values()}
    for number in count():
        if way.think(f"meanwhile-{number}")["submissionId"] != old:
            break
    eventually(lambda: way.agent()["executor"]["submissionId"] not in (None, old), 30.0, 0.5)


def test_a_rest_takes_all_pods_and_a_task_waits_for_its_end(way: WholeWay) -> None:
    (key,) = way.users.kubectl.json("get", "secrets", *SERVERS)["items"]
    way.change(suspend=True)
    eventually(lambda: not way.pods(), 90.0, 1.0)
    way.submit("waits")
    assert way.users.wait_phase("waits", "Queued")["reason"] == "AgentSuspended"
    way.change(suspend=False)
    way.ends(["waits"], READY_S)
    (same,) = way.users.kubectl.json("get", "secrets", *SERVERS)["items"]
    assert same["metadata"]["uid"] == key["metadata"]["uid"]


def test_deletion_leaves_nothing_in_the_namespace_and_on_the_broker(
    way: WholeWay, before: tuple[set[str], dict[str, list[str]]]
) -> None:
    way.users.kubectl("delete", "cagent", OWNER, "--timeout=30s")

    def left() -> tuple[set[str], dict[str, list[str]]]:
        return way.objects() - before[0], way.release.broker()

    eventually(lambda: left() == (set(), before[1]), 120.0, 2.0)


def test_uninstalled_the_release_leaves_tasks_with_their_results(way: WholeWay) -> None:
    tasks = way.users.tasks()
    assert all(status["phase"] == "Succeeded" for status in tasks.values())
    way.release.uninstall()
    eventually(lambda: not way.release.cluster.kubectl.json("get", "pods")["items"], 60.0, 1.0)
    assert way.users.tasks() == tasks
    assert way.objects() <= {"configmap/kube-root-ca.crt", "serviceaccount/default"}
