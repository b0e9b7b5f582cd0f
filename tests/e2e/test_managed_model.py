"""Causes that keep an agent's own vLLM server from starting: real pods, in a namespace that admits restricted ones."""

import json
from typing import Any

import pytest

from support.builders.cognitive_objects import Cluster
from support.builders.managed_agents import READY_S, need_vllm, restrict, thinker

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ELSEWHERE = "http://192.0.2.1:8265"


@pytest.fixture
def restricted(bare: Cluster, control_plane: Any) -> Cluster:
    need_vllm(control_plane.kubectl)
    restrict(bare.kubectl)
    return bare


TROUBLES: dict[str, tuple[dict[str, Any], str, str]] = {
    "image": ({"image": "registry.invalid/none:1"}, "ImagePullFailed", "registry.invalid/none:1"),
    "gpus": ({"gpus": 16}, "Unschedulable", "nvidia.com/gpu"),
    "volume": ({"modelCache": {"size": "1Gi", "storageClassName": "none"}}, "VolumeUnbound", "'none'"),
    "claim": ({"modelCache": {"claimName": "absent"}}, "VolumeNotFound", "absent"),
    "token": ({"tokenSecretRef": {"name": "absent"}}, "ContainerRefused", '"absent" not found'),
    "argument": ({"extraArgs": ["--nonsense"]}, "CrashLoop", "--nonsense"),
    "memory": ({"resources": {"limits": {"memory": "64Mi"}}}, "OutOfMemory", "resources.limits.memory"),
}


def test_what_keeps_a_server_back_is_told_by_its_own_agent(restricted: Cluster) -> None:
    restricted.apply(*[thinker(name, ELSEWHERE, vllm) for name, (vllm, _, _) in TROUBLES.items()])
    for name, (_, reason, words) in TROUBLES.items():
        status, message = restricted.wait_condition(name, "ModelReady", reason, READY_S)
        assert status == "False"
        assert words in message
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    restricted.kubectl("apply", "-f", "-", stdin=json.dumps(quota))
    restricted.apply(thinker("quota", ELSEWHERE, {}))
    assert "exceeded quota: none" in restricted.wait_condition("quota", "ModelReady", "QuotaExceeded", 60.0)[1]
