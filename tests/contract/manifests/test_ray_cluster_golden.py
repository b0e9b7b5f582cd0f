"""The RayCluster of an agent, whole: a change of it replaces the pods of all clusters, so it is made knowingly."""

import json
from pathlib import Path
from typing import Any

import pytest

from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.ray_cluster import desired_ray_cluster
from support.builders.operator_objects import agent_body

GOLDEN = Path(__file__).parent
LEAST: dict[str, Any] = {}
MOST: dict[str, Any] = {
    "rayVersion": "2.61.0",
    "image": "registry.example/team/runtime:7",
    "imagePullPolicy": "Always",
    "head": {"resources": {"requests": {"cpu": 2, "memory": "4Gi"}, "limits": {"memory": "4Gi"}}},
    "workers": {
        "minWorkers": 1,
        "maxWorkers": 4,
        "resources": {"requests": {"cpu": "500m"}, "limits": {"nvidia.com/gpu": 1}},
    },
    "autoscaler": {
        "idleTimeoutSeconds": 120,
        "upscalingMode": "Conservative",
        "resources": {"limits": {"memory": "1Gi"}},
    },
    "authOptions": {"mode": "token", "secretName": "ray-token"},
    "gcsFaultTolerance": {
        "redisAddress": "redis:6379",
        "redisPasswordSecretRef": {"name": "redis", "key": "password"},
        "externalStorageNamespace": "sre",
    },
    "queueName": "team-queue",
    "serviceAccountName": "thinker",
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}, "podAntiAffinity": {"x": []}},
    "imagePullSecrets": [{"name": "registry"}],
}
LLM = {
    "model": "m",
    "endpoint": "http://m/v1",
    "apiKeySecretRef": {"name": "model", "key": "token"},
    "fallbacks": [{"model": "n", "endpoint": "http://n/v1", "apiKeySecretRef": {"name": "second"}}],
    "cache": {"enabled": True, "backend": "Redis"},
    "redisSecretRef": {"name": "redis"},
}
TOOLS: dict[str, Any] = {
    "servers": [
        {"name": "git", "image": "git:1", "command": ["git-mcp", "--port", "9000"], "port": 9000, "allow": ["*"]},
        {
            "name": "tests",
            "image": "tests:1",
            "command": ["serve"],
            "port": 9001,
            "resources": {"requests": {"cpu": 1}, "limits": {"memory": "2Gi"}},
            "tokenSecretRef": {"name": "tests"},
        },
        {"name": "shop", "url": "https://shop/mcp", "tokenSecretRef": {"name": "shop", "key": "mcp"}},
    ],
    "workspace": {"emptyDir": {"sizeLimit": "2Gi"}, "readOnly": False},
}
SCALED = {"workers": {"minWorkers": 1, "maxWorkers": 2}}


def golden_agent(**spec: Any) -> Agent:
    return Agent.model_validate(agent_body(**spec))


def made(agent: Agent) -> dict[str, Any]:
    assert agent.spec.ray.cluster is not None
    return desired_ray_cluster(agent, agent.spec.ray.cluster, "cognitive-runtime:1")


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("least", {"ray": {"cluster": LEAST}}),
        ("most", {"ray": {"cluster": MOST}, "llm": LLM}),
        ("tools", {"ray": {"cluster": SCALED}, "tools": TOOLS}),
    ],
)
def test_the_manifest_is_the_golden_one(name: str, spec: dict[str, Any]) -> None:
    golden = json.loads((GOLDEN / f"ray_cluster_{name}.json").read_text(encoding="utf-8"))
    assert made(golden_agent(**spec)) == golden


def pods(**tools: Any) -> list[dict[str, Any]]:
    """Return the pod specs of an agent with tools: of its head and of a worker, which Ray scales."""
    spec = made(golden_agent(ray={"cluster": SCALED}, tools=TOOLS | tools))["spec"]
    return [each["template"]["spec"] for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


def test_a_sidecar_has_nothing_of_the_agent() -> None:
    """Of the pod it shares the network: no Secret, no volume of the agent, no variable and no service account token."""
    for pod in pods():
        ray, *sidecars = pod["containers"]
        assert [each["name"] for each in sidecars] == ["tool-git", "tool-tests"]
        of_agent = {each["name"] for each in ray["volumeMounts"]}
        secret = {each["name"] for each in pod["volumes"] if "emptyDir" not in each}
        for each in sidecars:
            mounted = {mount["name"]: mount["mountPath"] for mount in each["volumeMounts"]}
            assert not set(mounted) & (of_agent | secret)
            assert mounted["no-token"] == "/var/run/secrets/kubernetes.io/serviceaccount"
            assert "env" not in each
            assert "envFrom" not in each
            security = each["securityContext"]
            assert (security["runAsUser"], security["runAsNonRoot"]) == (65532, True)
            assert (security["capabilities"], security["allowPrivilegeEscalation"]) == ({"drop": ["ALL"]}, False)
            assert security["readOnlyRootFilesystem"]
        assert not pod.get("shareProcessNamespace")


@pytest.mark.parametrize(
    ("workspace", "volume", "is_read_only", "group"),
    [
        ({"emptyDir": {}}, {"emptyDir": {"sizeLimit": "1Gi"}}, False, None),
        ({"git": {"url": "https://git/x"}}, {"emptyDir": {"sizeLimit": "1Gi"}}, False, None),
        ({"pvc": {"claimName": "c"}}, {"persistentVolumeClaim": {"claimName": "c"}}, True, 65531),
        ({"pvc": {"claimName": "c"}, "readOnly": False}, {"persistentVolumeClaim": {"claimName": "c"}}, False, 65531),
    ],
)
def test_the_workspace_is_a_volume_of_ray_alone(
    workspace: dict[str, Any], volume: dict[str, Any], is_read_only: bool, group: int | None
) -> None:
    for pod in pods(workspace=workspace):
        (found,) = (each for each in pod["volumes"] if each["name"] == "workspace")
        assert found == {"name": "workspace", **volume}
        (mount,) = (each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "workspace")
        assert (mount["mountPath"], mount.get("readOnly", False)) == ("/var/lib/cognitive-workspace", is_read_only)
        names = [each["name"] for each in pod["containers"][0]["env"]]
        assert ("COGNITIVE_WORKSPACE_DIR" in names) is ("pvc" not in workspace)
        assert pod["securityContext"].get("fsGroup") == group


def test_servers_at_a_url_need_no_other_pods() -> None:
    by_url = [each for each in TOOLS["servers"] if "url" in each and "tokenSecretRef" not in each]
    plain = made(golden_agent(ray={"cluster": LEAST}))
    assert made(golden_agent(ray={"cluster": LEAST}, tools={"servers": by_url})) == plain
    token = {"servers": [{"name": "shop", "url": "https://shop/mcp", "tokenSecretRef": {"name": "shop"}}]}
    pod = made(golden_agent(ray={"cluster": LEAST}, tools=token))["spec"]["headGroupSpec"]["template"]["spec"]
    sources = pod["volumes"][0]["projected"]["sources"]
    item = {"key": "token", "path": "tool-token-shop"}
    assert {"secret": {"name": "shop", "optional": True, "items": [item]}} in sources
