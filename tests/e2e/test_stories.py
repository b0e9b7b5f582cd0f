"""One story for each resource, on a cluster with a scheduler, a kubelet and its own controllers."""

import json
from functools import partial

import pytest

from servers.operator import OperatorProcess
from servers.ray_head import RayHead
from support.builders.cognitive_objects import API_VERSION, INPUTS, Cluster, agent, task
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CHANGES = 120
API_REQUESTS = "cognitive_operator_api_requests_total"
REFUSING = ("http://127.0.0.1:1", "http://127.0.0.1:1/v1")
"""Looked at in no time: the operator writes the status of an agent on it as often as the agent changes."""
NOWHERE = ("http://192.0.2.1:8265", "http://192.0.2.1/v1")


def test_tasks_of_every_type_succeed_in_both_modes(story: Cluster, model_server: ScriptedModel) -> None:
    names = {f"{mode}-{type_.lower()}": (mode, type_) for mode in ("embedded", "job") for type_ in INPUTS}
    story.apply(*[task(name, mode, type_) for name, (mode, type_) in names.items()])
    for name in names:
        story.wait_phase(name, "Succeeded", 180.0)
    assert len(model_server.executions) == len(names)
    assert set(model_server.executions.values()) == {1}


def test_a_namespace_with_running_tasks_can_be_deleted(
    story: Cluster, model_server: ScriptedModel, ray_head: RayHead
) -> None:
    model_server.script(contains="hangs", hang=True)
    story.apply(task("hangs", "embedded", input={"error_message": "hangs"}))
    eventually(lambda: model_server.in_flight == 1, 20.0)
    executor = story.get("cagent", "embedded")["status"]["executor"]["submissionId"]
    story.kubectl("delete", "namespace", str(story.kubectl.namespace), "--timeout=60s")
    eventually(lambda: model_server.in_flight == 0, 20.0)
    assert RaySubmissions(ray_head.address).wait(executor, 30.0)["status"] in ("STOPPED", "SUCCEEDED")


def test_a_chain_and_a_schedule_run_with_the_operators_rights(story: Cluster, model_server: ScriptedModel) -> None:
    template = {"spec": task("x", "embedded", dependsOn=[{"name": "first"}])["spec"]}
    spec = {"schedule": "0 0 1 1 *", "taskTemplate": template, "successfulHistoryLimit": 0}
    schedule = {"apiVersion": API_VERSION, "kind": "CognitiveSchedule", "metadata": {"name": "yearly"}, "spec": spec}
    story.kubectl("create", "configmap", "crash", "--from-literal=log=pod web-0: OOMKilled")
    source = {"as": "error_message", "configMapKeyRef": {"name": "crash", "key": "log"}}
    story.apply(schedule, task("first", "job", input={}, inputFrom=[source]))
    story.wait_condition("yearly", "Ready", "Scheduled", kind="csched")
    due = '{"status":{"lastScheduleTime":"2020-06-01T00:00:00Z"}}'
    story.kubectl("patch", "csched", "yearly", "--subresource=status", "--type=merge", "-p", due)

    def counted() -> bool:
        return bool(story.get("csched", "yearly")["status"].get("totals", {}).get("succeeded") == 1)

    eventually(counted, 90.0)
    eventually(lambda: list(story.tasks()) == ["first"], 30.0)
    assert len(model_server.executions) == 2


def test_what_changes_while_its_status_is_written_is_read_again(
    bare: Cluster, operator_process: OperatorProcess
) -> None:
    template = {"spec": task("x", "changing")["spec"]}
    kind = {"apiVersion": API_VERSION, "kind": "CognitiveSchedule", "metadata": {"name": "changing"}}
    schedules = [
        {**kind, "spec": {"schedule": f"{n % 60} 0 1 1 *", "taskTemplate": template}} for n in range(1, CHANGES)
    ]
    agents = [agent("changing", *REFUSING, queue={"maxConcurrentTasks": n}) for n in range(1, CHANGES)]
    output = {"name": "severity", "type": "enum", "values": ["low", "high"]}
    fields = {"inputs": [{"name": "alert", "type": "string"}], "outputs": [output]}
    kind = {"apiVersion": API_VERSION, "kind": "CognitiveSignature", "metadata": {"name": "changing"}}
    signatures = [{**kind, "spec": {"instructions": f"Version {n}.", **fields}} for n in range(1, CHANGES)]
    for plural, changes in (("csched", schedules), ("cagent", agents), ("csig", signatures)):
        before = operator_process.metric(API_REQUESTS, method="PATCH", code="409")
        every = json.dumps({"apiVersion": "v1", "kind": "List", "items": changes})

        def in_its_way(every: str = every, before: float = before) -> bool:
            bare.kubectl("apply", "--server-side", "-f", "-", stdin=every)  # a request each, one after the other
            return operator_process.metric(API_REQUESTS, method="PATCH", code="409") > before

        eventually(in_its_way, 120.0)
        eventually(partial(bare.observed, plural, "changing"), 60.0)
    assert bare.get("csched", "changing")["status"]["nextScheduleTime"].endswith(
        f"-01-01T00:{(CHANGES - 1) % 60:02d}:00Z"
    )


def test_a_model_server_goes_when_its_agent_has_another_model(bare: Cluster) -> None:
    moving = agent("moving", *NOWHERE)
    vllm = {"image": "registry.invalid/none:1", "gpus": 0, "modelCache": {"size": "1Gi"}}
    bare.apply({**moving, "spec": {**moving["spec"], "llm": {"provider": "vllm", "model": "m", "vllm": vllm}}})

    def children() -> list[str]:
        kinds = "deployments,services,secrets,persistentvolumeclaims"
        return bare.kubectl("get", kinds, "-l", "app.kubernetes.io/component=model-server", "-o", "name").split()

    eventually(lambda: len(children()) == 4, 60.0, 0.5)
    another = {"provider": "openaiCompatible", "endpoint": NOWHERE[1], "vllm": None}
    bare.kubectl("patch", "cagent", "moving", "--type=merge", "-p", json.dumps({"spec": {"llm": another}}))
    eventually(lambda: not children(), 60.0, 0.5)
