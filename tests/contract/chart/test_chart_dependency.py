"""The chart as the dependency of another one."""

from pathlib import Path
from typing import Any

import pytest

from helm import Helm, HelmError
from support.builders.chart_objects import CHART, parent_chart, pod_specs

CONDITION = "cognitive-operator.enabled"


def deployments(helm: Helm, chart: Path, *arguments: str) -> list[str]:
    found = helm.render(chart, *arguments, release="up")
    return [item["metadata"]["name"] for item in found if item["kind"] == "Deployment"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ["up-cognitive-operator"]),
        ({"cognitive-operator": {"enabled": True}}, ["up-cognitive-operator"]),
        ({"cognitive-operator": {"enabled": False}}, []),
        ({"tags": {"brain": False}}, []),
        ({"tags": {"brain": False}, "cognitive-operator": {"enabled": True}}, ["up-cognitive-operator"]),
    ],
)
def test_a_condition_and_tags_switch_it(
    helm: Helm, tmp_path: Path, values: dict[str, Any], expected: list[str]
) -> None:
    chart = parent_chart(tmp_path, values, condition=CONDITION, tags=["brain"])
    assert deployments(helm, chart) == expected


@pytest.mark.parametrize(
    ("alias", "name"), [("brain", "up-brain"), ("cognitiveBrain", "up-cognitivebrain"), ("my_brain", "up-my-brain")]
)
def test_an_alias_names_the_objects(helm: Helm, tmp_path: Path, alias: str, name: str) -> None:
    values = {alias: {"enabled": True}}
    chart = parent_chart(tmp_path, values, condition=f"{alias}.enabled", alias=alias)
    assert deployments(helm, chart) == [name]


def test_values_of_a_parent_arrive_also_null(helm: Helm, tmp_path: Path) -> None:
    own = {"podSecurityContext": {"runAsUser": None, "fsGroup": 7}, "operator": {"replicas": 5}}
    chart = parent_chart(tmp_path, {"cognitive-operator": own}, **{"import-values": [{"child": "crds", "parent": "x"}]})
    objects = {(item["kind"], item["metadata"]["name"]): item for item in helm.render(chart, release="up")}
    assert objects["Deployment", "up-cognitive-operator"]["spec"]["replicas"] == 5
    for spec in pod_specs(objects).values():
        assert "runAsUser" not in spec["securityContext"]
        assert (spec["securityContext"]["runAsGroup"], spec["securityContext"]["fsGroup"]) == (65532, 7)


def test_global_values_are_shared(helm: Helm, tmp_path: Path) -> None:
    shared = {"imageRegistry": "mirror.example/x/", "imagePullSecrets": ["a", {"name": "b"}], "storageClass": "other"}
    values = {"global": shared, "cognitive-operator": {"imagePullSecrets": [{"name": "b"}, {"name": "c"}]}}
    chart = parent_chart(tmp_path, values)
    objects = {(item["kind"], item["metadata"]["name"]): item for item in helm.render(chart, release="up")}
    specs = pod_specs(objects)
    assert len(specs) == 4
    for name, spec in specs.items():
        assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}, {"name": "c"}], name
        assert spec["containers"][0]["image"].startswith("mirror.example/x/"), name


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"enabeld": True}, "additional properties 'enabeld' not allowed"),
        ({"tags": {"brain": True}}, "additional properties 'tags' not allowed"),
        ({"enabled": "yes"}, "got string, want boolean"),
        ({"operator": {"enabled": True}}, "additional properties 'enabled' not allowed"),
        ({"global": {"imageRegistry": 5}}, "/global/imageRegistry"),
        ({"global": {"compatibility": {"openshift": {"adaptSecurityContext": "yes"}}}}, "adaptSecurityContext"),
    ],
)
def test_other_values_are_refused(helm: Helm, tmp_path: Path, values: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError, match=said):
        helm.render(parent_chart(tmp_path, {"cognitive-operator": values}))


def test_a_chart_that_a_value_cannot_switch_off_says_so(helm: Helm, tmp_path: Path) -> None:
    chart = parent_chart(tmp_path, {"cognitive-operator": {"enabled": False}})
    for path, *arguments in ((chart,), (CHART, "--set=enabled=false")):
        with pytest.raises(HelmError, match=r"add `condition: cognitive-operator\.enabled`"):
            helm.render(Path(path), *map(str, arguments))
