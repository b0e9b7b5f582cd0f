"""Fields that every pod of the chart must have: for OpenShift, quotas, registries and meshes."""

from collections.abc import Callable
from typing import Any

import pytest

from helm import Helm, HelmError
from support.builders.chart_objects import CHART, NAME, Objects, containers, pod_specs, pod_templates

Render = Callable[..., Objects]
OPENSHIFT = "--api-versions=security.openshift.io/v1"
ADAPT = "--set=global.compatibility.openshift.adaptSecurityContext"
FIXED = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
IDS = {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
NO_IDS = "podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null,podSecurityContext.fsGroup=null"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], IDS),
        (["--set=podSecurityContext=null"], {}),
        ([f"--set={NO_IDS}"], {}),
        (["--set=podSecurityContext.runAsUser=null"], {"runAsGroup": 65532, "fsGroup": 65532}),
        (["--set=podSecurityContext.runAsUser=1000680000"], IDS | {"runAsUser": 1000680000}),
        (['--set-json=podSecurityContext={"supplementalGroups":[5]}'], IDS | {"supplementalGroups": [5]}),
        ([OPENSHIFT], {}),
        ([f"{ADAPT}=force"], {}),
        ([OPENSHIFT, "--set=podSecurityContext.fsGroupChangePolicy=Always"], {"fsGroupChangePolicy": "Always"}),
        ([OPENSHIFT, f"{ADAPT}=disabled"], IDS),
    ],
)
def test_users_and_groups_are_those_of_the_values(
    render: Render, arguments: list[str], expected: dict[str, Any]
) -> None:
    objects = render(*arguments)
    specs = pod_specs(objects)
    assert len(specs) == 4
    for name, spec in specs.items():
        assert spec["securityContext"] == FIXED | expected, name
    for name, container in containers(objects).items():
        assert not IDS.keys() & container["securityContext"].keys(), name


@pytest.mark.parametrize("wrong", ["runAsUser=0", "runAsUser=root", "runAsNonRoot=false", "privileged=true"])
def test_security_contexts_that_are_not_restricted_are_refused(helm: Helm, wrong: str) -> None:
    with pytest.raises(HelmError, match="/podSecurityContext"):
        helm.render(CHART, f"--set=podSecurityContext.{wrong}")


def test_a_quota_of_limits_admits_every_container(render: Render) -> None:
    objects = render("--set=operator.resources.limits.cpu=1,nats.resources.limits.cpu=1")
    found = containers(objects)
    assert len(found) == 4
    for name, container in found.items():
        assert {"cpu", "memory"} == set(container["resources"]["limits"]) == set(container["resources"]["requests"]), (
            name
        )
    changed = containers(render("--set=hooks.resources.limits.cpu=7"))
    names = [name for name, each in changed.items() if str(each["resources"]["limits"].get("cpu")) == "7"]
    assert names == [f"Pod {NAME}-test connected", f"Job {NAME}-nats-keys keys"]


def test_labels_and_annotations_reach_every_pod(render: Render) -> None:
    owners = ("operator", "nats", "hooks")
    values = [f"--set-string={each}.podLabels.team={each},{each}.podAnnotations.mesh={each}" for each in owners]
    templates = pod_templates(render(*values))
    found = {name: each["metadata"] for name, each in templates.items()}
    assert {name: each["labels"]["team"] for name, each in found.items()} == {
        f"Deployment {NAME}": "operator",
        f"StatefulSet {NAME}-nats": "nats",
        f"Job {NAME}-nats-keys": "hooks",
        f"Pod {NAME}-test": "hooks",
    }
    assert all(each["annotations"]["mesh"] == each["labels"]["team"] for each in found.values())


def test_scheduling_reaches_every_pod(render: Render) -> None:
    owners = ("operator", "nats")
    values = [f"--set={each}.priorityClassName=high,{each}.nodeSelector.disk=ssd" for each in owners]
    tolerations = [f'--set-json={each}.tolerations=[{{"operator":"Exists"}}]' for each in owners]
    spread = '--set-json=operator.topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"zone"}]'
    specs = pod_specs(render(*values, *tolerations, spread))
    for name, spec in specs.items():
        assert spec["priorityClassName"] == "high", name
        assert spec["nodeSelector"] == {"disk": "ssd"}, name
        assert spec["tolerations"] == [{"operator": "Exists"}], name
    spreading = {name for name, spec in specs.items() if "topologySpreadConstraints" in spec}
    assert spreading == {f"Deployment {NAME}"}


@pytest.mark.parametrize(
    ("repository", "image"),
    [
        ("seedcore/x", "r.example:5000/seedcore/x:1"),
        ("docker.io/seedcore/x", "r.example:5000/seedcore/x:1"),
        ("localhost/x", "r.example:5000/x:1"),
        ("host:5000/a/x", "r.example:5000/a/x:1"),
        ("x", "r.example:5000/x:1"),
    ],
)
def test_a_registry_of_all_images_replaces_that_of_each(render: Render, repository: str, image: str) -> None:
    registry = "--set=global.imageRegistry=r.example:5000"
    names = [f"{each}.repository={repository},{each}.tag=v1" for each in ("image", "runtime.image", "nats.image")]
    objects = render(registry, *[f"--set={each}" for each in names])
    found = {each["image"] for each in containers(objects).values()}
    env = containers(objects)[f"Deployment {NAME} operator"]["env"]
    found |= {item["value"] for item in env if item["name"] == "COGNITIVE_RUNTIME_IMAGE"}
    assert found == {image.replace(":1", ":v1")}
