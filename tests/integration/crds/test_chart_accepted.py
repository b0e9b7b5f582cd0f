"""The API server accepts what the chart makes of usual values."""

import json
import os

import pytest

from helm import Helm, find_helm
from support.builders.chart_objects import CHART
from support.cluster.api_client import DRY_RUN, Namespace, Request

pytestmark = pytest.mark.integration
SERVED = {
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "Job": "jobs",
    "NetworkPolicy": "networkpolicies",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StatefulSet": "statefulsets",
}
EVERYWHERE = [f"{each}.podLabels.a=b,{each}.podAnnotations.a=b" for each in ("operator", "nats", "hooks")]
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--set=podSecurityContext=null"],
        ["--set-json=podSecurityContext.supplementalGroups=[5]", "--set=podSecurityContext.fsGroupChangePolicy=Always"],
        ["--set=operator.resources=null,nats.resources=null,hooks.resources=null"],
        [
            f"--set-json=operator.topologySpreadConstraints=[{json.dumps(SPREAD)}]",
            *[f"--set-string={each}" for each in EVERYWHERE],
        ],
        ["--set=global.imagePullSecrets={a}", "--set=global.imageRegistry=mirror.example:5000"],
    ],
)
def test_objects_of_the_chart_are_accepted(default: Namespace, arguments: list[str]) -> None:
    program = find_helm()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("helm is not there: `make helm` builds it")
    objects = Helm(program).render(CHART, *arguments, "--namespace=default", "--set=crds.install=false")
    sent = [item for item in objects if item["kind"] in SERVED]
    assert {item["kind"] for item in sent} == set(SERVED)
    for item in sent:
        version = item["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        path = f"{root}/namespaces/default/{SERVED[item['kind']]}"
        stored = default.api(Request("POST", path, item, tuple(DRY_RUN.items())))
        assert stored["metadata"]["name"] == item["metadata"]["name"]
