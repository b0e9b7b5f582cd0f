"""Names, labels and values at their limits."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import Helm, HelmError
from support.builders.chart_objects import CHART, parent_chart

LABEL = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")


def names(objects: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in objects if "crds" not in item["kind"].lower()]


@pytest.mark.parametrize("release", ["r" * 53, "2026", "true", "team.a"])
def test_any_release_name_gives_valid_texts(helm: Helm, release: str) -> None:
    objects = helm.render(CHART, "--namespace=123", "--is-upgrade", release=release)
    for item in objects:
        found = item["metadata"]
        assert len(found["name"]) <= 63 or "." in found["name"]
        assert found.get("namespace", "123") == "123"
        assert [value for value in found.get("labels", {}).values() if not LABEL.match(value)] == []
    assert f"{release.replace('.', '-')}-cognitive-operator"[:40] in names(objects)


def test_versions_with_a_build_are_valid_labels(helm: Helm, tmp_path: Path) -> None:
    path = parent_chart(tmp_path, {}) / "charts" / "cognitive-operator"
    described = yaml.safe_load((path / "Chart.yaml").read_text(encoding="utf-8"))
    version = {"version": "0.1.0+git.5", "appVersion": "0.1.0+git.5"}
    (path / "Chart.yaml").write_text(yaml.safe_dump(described | version), encoding="utf-8")
    found = next(item for item in helm.render(path, "--set=image.tag=x") if item["kind"] == "Deployment")
    labels = found["metadata"]["labels"]
    assert labels["helm.sh/chart"] == "cognitive-operator-0.1.0_git.5"
    assert labels["app.kubernetes.io/version"] == "0.1.0_git.5"


@pytest.mark.parametrize("wrong", ["1a", "-a", "a.b", "Aa", "a" * 41])
def test_overrides_that_are_no_names_are_refused(helm: Helm, wrong: str) -> None:
    for value in ("fullnameOverride", "nameOverride"):
        with pytest.raises(HelmError, match=f"/{value}"):
            helm.render(CHART, f"--set-string={value}={wrong}")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("operator.replicas", "missing property 'replicas'"),
        ("operator.ttlSecondsAfterFinished", "missing property 'ttlSecondsAfterFinished'"),
        ("nats.auth", "missing property 'auth'"),
        ("hooks", "missing property 'hooks'"),
        ("image.repository", "missing property 'repository'"),
        ("nats.image.tag", "the image nats needs a tag or a digest"),
    ],
)
def test_values_without_which_an_object_would_be_wrong_must_not_be_null(helm: Helm, value: str, said: str) -> None:
    with pytest.raises(HelmError, match=said):
        helm.render(CHART, f"--set={value}=null")


def test_optional_values_may_be_null(helm: Helm) -> None:
    optional = ("operator.resources", "nats.resources", "hooks.resources", "operator.podDisruptionBudget", "global")
    assert names(helm.render(CHART, *[f"--set={value}=null" for value in optional]))


def test_a_cluster_that_is_too_old_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match="requires kubeVersion"):
        helm("template", "x", str(CHART), "--kube-version=1.31.9")
    assert helm("template", "x", str(CHART), "--kube-version=v1.32.4-eks-1a2b3c")
