"""The image of Ray's pods: what the chart's values say reaches the clusters of agents that name none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognitive_operator.api.resources import Agent
from cognitive_operator.config import config_from
from cognitive_operator.desired.ray_cluster import desired_ray_cluster
from helm import Helm, HelmError

CHART = Path(__file__).parents[3] / "charts" / "cognitive-operator"
NOW = "2026-01-01T00:00:00Z"
DIGEST = "sha256:" + "b" * 64
Render = Callable[..., dict[tuple[str, str], dict[str, Any]]]


def head_image(render: Render, *values: str, **cluster: str) -> str:
    """Return the image of the head of an agent's Ray cluster, with an operator that has these values."""
    deployment = render(*[f"--set={value}" for value in values])["Deployment", "cognitive-operator"]
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    config = config_from({item["name"]: item["value"] for item in env})
    agent = Agent.model_validate(
        {
            "metadata": {"name": "sre", "namespace": "team", "uid": "u-1", "generation": 1, "creationTimestamp": NOW},
            "spec": {"role": "DEVOPS", "llm": {"provider": "openai", "model": "m"}, "ray": {"cluster": cluster}},
        }
    )
    assert agent.spec.ray.cluster is not None
    made = desired_ray_cluster(agent, agent.spec.ray.cluster, config.runtime_image)
    (container,) = made["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    return str(container["image"])


def test_it_is_of_the_operators_own_version(render: Render) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]
    assert head_image(render) == f"seedcore/cognitive-runtime:{version}"


@pytest.mark.parametrize(
    ("values", "image"),
    [
        (["runtime.image.tag=2.0"], "seedcore/cognitive-runtime:2.0"),
        (["runtime.image.repository=r.example:5000/mine", "runtime.image.tag=v7"], "r.example:5000/mine:v7"),
        (["runtime.image.tag=v7", f"runtime.image.digest={DIGEST}"], f"seedcore/cognitive-runtime@{DIGEST}"),
        (["image.tag=v8", "image.repository=other"], "seedcore/cognitive-runtime:0.1.0"),
    ],
)
def test_values_name_another(render: Render, values: list[str], image: str) -> None:
    assert head_image(render, *values) == image


def test_an_agents_own_image_wins(render: Render) -> None:
    assert head_image(render, "runtime.image.tag=2.0", image="own:1") == "own:1"


@pytest.mark.parametrize(
    "wrong", ["image.digest=sha256:abc", "image.pullPolicy=Always", "image.repository=", "image=x:1", "tag=1"]
)
def test_values_that_mean_nothing_are_refused(helm: Helm, wrong: str) -> None:
    with pytest.raises(HelmError):
        helm.render(CHART, f"--set=runtime.{wrong}")
