"""Rights that an operator needs only for what agents may be allowed to want."""

from functools import cache
from pathlib import Path

import pytest

from helm import Helm
from support.rights.granted import Right, rights_of

CHART = Path(__file__).parents[3] / "charts" / "cognitive-operator"
WIDE, NARROW = "watchNamespaces=null", "watchNamespaces={team-a}"
ROLES = {WIDE: ("ClusterRole", "cognitive-operator"), NARROW: ("Role", "cognitive-operator-agents")}
WRITE = ("get", "create", "patch", "delete")
RAYS = {Right("ray.io", "rayclusters", verb) for verb in WRITE}
CHILDREN = [("apps", "deployments"), ("", "services"), ("", "persistentvolumeclaims")]
MODELS = {Right(*kind, verb) for kind in CHILDREN for verb in WRITE} | {Right("", "secrets", "delete")}
APPLIED_SECRET = {Right("", "secrets", "patch")}
NEW_SECRET = {Right("", "secrets", "create")}
PODS = {Right("", "pods", "list"), Right("", "events", "list")}
OWN_ACCOUNTS = "operator.extraEnv[0].name=COGNITIVE_NATS_ACCOUNTS"


@cache
def granted(helm: Helm, scope: str, *values: str) -> frozenset[Right]:
    found = helm.render(CHART, *[f"--set={value}" for value in (scope, *values)])
    (role,) = [item for item in found if (item["kind"], item["metadata"]["name"]) == ROLES[scope]]
    return rights_of(role["rules"])


@pytest.mark.parametrize("scope", [WIDE, NARROW])
@pytest.mark.parametrize(
    ("values", "without"),
    [
        (["rbac.rayClusters=false"], RAYS),
        (["rbac.modelServers=false"], MODELS),
        (["rbac.rayClusters=false", "rbac.modelServers=false"], RAYS | MODELS | PODS),
        (["nats.auth.enabled=false"], set()),
        (["nats.auth.enabled=false", "rbac.rayClusters=false"], RAYS | APPLIED_SECRET),
        (["nats.auth.enabled=false", "rbac.rayClusters=false", OWN_ACCOUNTS], RAYS),
        (["nats.auth.enabled=false", "rbac.modelServers=false"], MODELS),
        (
            ["nats.auth.enabled=false", "rbac.modelServers=false", "rbac.rayClusters=false"],
            MODELS | RAYS | PODS | APPLIED_SECRET | NEW_SECRET,
        ),
    ],
)
def test_what_is_switched_off_takes_its_rights_along(
    helm: Helm, scope: str, values: list[str], without: set[Right]
) -> None:
    assert granted(helm, scope) - granted(helm, scope, *values) == without
