"""RBAC rules of the chart: exactly those of the documentation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import Helm
from support.rights.granted import Right, rights_in

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "cognitive-operator"
Render = Callable[..., dict[tuple[str, str], dict[str, Any]]]
NAME = "cognitive-operator"
OF_THE_CLUSTER = frozenset({"customresourcedefinitions"})
POLICY = "ValidatingAdmissionPolicy"
GET_AGENT, PATCH_AGENT = (Right("cognitive.seedcore.io", "cognitiveagents", verb) for verb in ("get", "patch"))
USERS = {"view": "get list watch", "edit": "get list watch create delete patch update"}


def documented(kind: str, without: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    documents = yaml.safe_load_all((ROOT / "docs" / "operations" / "rbac.yaml").read_text(encoding="utf-8"))
    (rules,) = [item["rules"] for item in documents if item["kind"] == kind]
    found: list[dict[str, Any]] = rules
    return [rule for rule in found if not without & set(rule["resources"])]


def policies(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the policies about the operator's own rights."""
    return [item for item in found if item["kind"] == POLICY and f"{NAME}-finalizers" in item["metadata"]["name"]]


def test_the_operator_gets_what_is_documented_and_no_more(render: Render) -> None:
    objects = render()
    assert objects["ClusterRole", NAME]["rules"] == documented("ClusterRole")
    assert objects["Role", NAME]["rules"] == documented("Role")
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": "cognitive-system"}
    bindings = [item for (kind, name), item in objects.items() if kind.endswith("Binding") and name == NAME]
    assert [item["subjects"] for item in bindings if "roleRef" in item] == [[account], [account]]


@pytest.mark.parametrize("lets_go", [True, False])
def test_an_operator_of_some_namespaces_gets_nothing_of_the_cluster_but_the_finalizers(
    helm: Helm, lets_go: bool
) -> None:
    narrow = ("--set=watchNamespaces={team-a,team-b}", "--set=rbac.aggregate=false")
    found = helm.render(CHART, *narrow, f"--set=rbac.finalizers={str(lets_go).lower()}")
    wide = [item for item in found if item["kind"] in ("ClusterRole", "ClusterRoleBinding")]
    assert [item["metadata"]["name"] for item in wide] == [f"{NAME}-finalizers-cognitive-system"] * (2 * lets_go)
    assert rights_in(wide) == ({GET_AGENT, PATCH_AGENT} if lets_go else set())
    assert bool(policies(found)) is lets_go
    roles = {item["metadata"]["namespace"]: item for item in found if item["metadata"]["name"] == f"{NAME}-agents"}
    assert set(roles) == {"team-a", "team-b"}
    local = documented("ClusterRole", OF_THE_CLUSTER)
    assert [i["rules"] for i in found if i["kind"] == "Role" and i["metadata"]["name"] == f"{NAME}-agents"] == [
        local
    ] * 2
    (deployment,) = [item for item in found if item["kind"] == "Deployment"]
    env = {item["name"]: item.get("value") for item in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env["COGNITIVE_WATCH_NAMESPACES"] == "team-a,team-b"
    assert env["COGNITIVE_PEERING"] == NAME


@pytest.mark.parametrize("values", [(), ("--set=watchNamespaces={team-a}",)])
def test_the_right_to_patch_agents_is_limited_to_the_finalizer_as_documented(
    helm: Helm, values: tuple[str, ...]
) -> None:
    documents = list(yaml.safe_load_all((ROOT / "docs" / "operations" / "rbac.yaml").read_text(encoding="utf-8")))
    (written,) = [item["spec"] for item in documents if item["kind"] == POLICY]
    found = helm.render(CHART, *values, "--set=serviceAccount.name=another")
    (policy,) = policies(found)
    (condition,) = policy["spec"].pop("matchConditions")
    assert condition["expression"] == "request.userInfo.username == 'system:serviceaccount:cognitive-system:another'"
    assert policy["spec"] == {name: value for name, value in written.items() if name != "matchConditions"}
    (binding,) = [item for item in found if item["kind"] == f"{POLICY}Binding" and "cognitivetasks" not in str(item)]
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}


def test_the_right_on_the_lease_is_for_the_one_that_the_pods_elect_their_leader_by(helm: Helm) -> None:
    found = helm.render(CHART, "--set=fullnameOverride=another")
    (deployment,) = [item for item in found if item["kind"] == "Deployment"]
    env = {item["name"]: item.get("value") for item in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    (role,) = [item for item in found if item["kind"] == "Role" and item["metadata"]["name"] == "another"]
    leases = [rule for rule in role["rules"] if rule["resources"] == ["leases"]]
    assert env["COGNITIVE_PEERING"] == "another"
    assert role["metadata"]["namespace"] == env["COGNITIVE_NAMESPACE"]
    assert [(rule.get("resourceNames"), rule["verbs"]) for rule in leases] == [
        (None, ["create"]),
        (["another"], ["get", "update"]),
    ]


def test_two_versions_never_run_at_the_same_time(helm: Helm) -> None:
    """One of them may elect its leader by other means."""
    found = helm.render(CHART)
    (deployment,) = [item for item in found if item["kind"] == "Deployment"]
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert not [item for item in found if "kopf.dev" in item["apiVersion"]]


def test_no_rule_holds_a_wildcard(render: Render) -> None:
    for (kind, _), item in render().items():
        if kind in ("Role", "ClusterRole"):
            assert "*" not in str(item["rules"])


def test_users_rights_are_added_to_the_built_in_roles(render: Render) -> None:
    objects = render()
    plurals = sorted(item["spec"]["names"]["plural"] for (kind, _), item in objects.items() if kind == CRD)
    for role, verbs in {**USERS, "admin": f"{USERS['edit']} deletecollection"}.items():
        found = objects["ClusterRole", f"{NAME}-{role}"]
        assert found["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{role}"] == "true"
        (rule,) = found["rules"]
        assert sorted(rule["resources"]) == plurals
        assert rule["verbs"] == verbs.split()


def test_roles_can_be_left_to_somebody_else(render: Render) -> None:
    kinds = {kind for kind, _ in render("--set=rbac.create=false,rbac.aggregate=false,nats.auth.enabled=false")}
    assert not {kind for kind in kinds if "Role" in kind}


CRD = "CustomResourceDefinition"
