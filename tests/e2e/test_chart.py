"""The chart on a real cluster: installed, tested, upgraded and uninstalled, and what users own stays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import yaml

from controlplane import Kubectl
from helm import Helm, find_helm
from support.builders.cognitive_objects import agent, task
from support.cluster.chart_release import NARROW, WIDE, Release
from support.eventually import eventually
from support.rights.granted import Right, own_rights, rights_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

NOWHERE = ("http://ray.nowhere.invalid:8265", "http://model.nowhere.invalid/v1")
RBAC = Path(__file__).parents[2] / "docs" / "operations" / "rbac.yaml"
OTHER_SCOPE: dict[str, list[str]] = {WIDE: [], NARROW: ["customresourcedefinitions"]}
LETTING_GO = {Right("cognitive.seedcore.io", "cognitiveagents", verb) for verb in ("get", "patch")}
"""Rights outside of the watched namespaces: in a deleted one, an agent loses its finalizer after the RoleBinding."""
CRD = "cognitivetasks.cognitive.seedcore.io"


class ControlPlane(Protocol):
    """Access to a control plane."""

    @property
    def kubectl(self) -> Kubectl:
        """The administrator's."""


@pytest.fixture(scope="module", params=[NARROW, WIDE])
def release(control_plane: ControlPlane, crds: None, request: pytest.FixtureRequest) -> Iterator[Release]:
    """The chart, installed; no operator of another test may run meanwhile."""
    program = find_helm()
    assert program is not None, "helm is not there: `make helm` builds it"
    kubectl = control_plane.kubectl
    installed = Release(Helm(program, kubectl.kubeconfig), kubectl, request.param)
    try:
        installed.begin()
        yield installed
    finally:
        installed.end()


def test_an_agent_gets_its_conditions_and_the_release_passes_its_own_test(release: Release) -> None:
    user = release.cluster
    user.apply(agent("lonely", *NOWHERE), task("waits", "lonely"))
    assert "ray.nowhere.invalid" in user.wait_condition("lonely", "Ready", "RayUnreachable")[1]
    assert user.wait_phase("waits", "Queued")["reason"] == "AgentNotReady"
    assert "Phase:          Succeeded" in release.test()


def test_every_pod_is_ready_and_none_was_started_twice(release: Release) -> None:
    pods = release.cluster.kubectl.json("get", "pods", "--selector=app.kubernetes.io/component!=test")["items"]
    assert len(pods) == 3, "two of the operator, one of the broker"
    for pod in pods:
        (container,) = pod["status"]["containerStatuses"]
        assert (container["ready"], container["restartCount"]) == (True, 0), pod["metadata"]["name"]


def test_the_operator_may_do_no_more_than_it_needs(release: Release) -> None:
    own = release.namespace
    assert release.may(release.operator, "get", "secrets", own)
    assert not release.may(release.operator, "list", "secrets", own)
    assert not release.may(release.operator, "update", "secrets", own)
    elsewhere = release.may(release.operator, "get", "secrets", "default")
    assert elsewhere is (release.scope == WIDE)
    assert release.may(release.operator, "watch", "cognitivetasks", "default") is elsewhere
    assert release.may(release.operator, "create", "secrets", "default") is elsewhere


def test_the_operators_account_has_the_rights_of_its_scope_and_no_others(release: Release) -> None:
    documented = list(yaml.safe_load_all(RBAC.read_text(encoding="utf-8")))
    everywhere = {
        kind: rights_in(item for item in documented if item["kind"] == kind) for kind in ("ClusterRole", "Role")
    }
    scoped = {right for right in everywhere["ClusterRole"] if right.resource not in OTHER_SCOPE[release.scope]}
    found = own_rights(release.admin, release.operator, release.namespace)
    assert found == scoped | everywhere["Role"]
    assert not any("*" in str(right) for right in found)
    elsewhere = own_rights(release.admin, release.operator, "default")
    assert elsewhere == (scoped if release.scope == WIDE else LETTING_GO)


def test_users_with_the_built_in_roles_may_see_and_change_agents(release: Release) -> None:
    own = release.namespace
    for role in ("view", "edit", "admin"):
        release.cluster.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}er")

    def aggregated() -> bool:
        return release.may("adminer", "deletecollection", "cognitiveschedules", own)

    eventually(aggregated, 20.0)
    assert release.may("viewer", "list", "cognitiveagents", own)
    assert not release.may("viewer", "create", "cognitivetasks", own)
    assert release.may("editer", "create", "cognitivetasks", own)
    assert not release.may("editer", "patch", "cognitivetasks/status", own)


def test_another_operator_takes_over_from_one_that_dies(release: Release) -> None:
    kubectl = release.cluster.kubectl
    leading = eventually(release.leading_pod, 60.0, 1.0)
    kubectl("delete", "pod", leading, "--grace-period=0", "--force")
    release.cluster.apply(task("taken-over", "lonely"))
    release.cluster.wait_phase("taken-over", "Queued", 30.0)
    eventually(lambda: release.leading_pod() not in (None, leading), 30.0, 1.0)


def test_an_upgrade_keeps_agents_and_tasks(release: Release) -> None:
    before = kept(release)
    if release.scope == WIDE:
        names = '[{"op": "remove", "path": "/spec/names/shortNames"}]'
        release.admin("patch", "crd", CRD, "--type=json", "-p", names)
    release.upgrade("operator.logLevel=DEBUG")
    assert kept(release) == before
    assert release.admin.json("get", "crd", CRD)["spec"]["names"]["shortNames"] == ["ctask"]
    release.cluster.kubectl("annotate", "cagent", "lonely", "seen=again")
    eventually(lambda: '"message": "reconciled"' in release.operator_logs(), 30.0)
    release.test()


def test_uninstalled_it_leaves_what_users_own_and_comes_back(release: Release) -> None:
    before = kept(release)
    release.uninstall()
    eventually(lambda: not release.cluster.kubectl.json("get", "pods")["items"], 60.0)
    assert kept(release) == before
    release.install()
    assert kept(release) == before
    release.cluster.apply(task("later", "lonely"))
    assert release.cluster.wait_phase("later", "Queued")["reason"] == "AgentNotReady"
    release.test()


def kept(release: Release) -> dict[str, str]:
    """Return the UIDs of all that neither an upgrade nor the end of the release may touch."""
    kinds = "cagent,ctask,secret,pvc"
    items = release.cluster.kubectl.json("get", kinds)["items"]
    crd = release.admin.json("get", "crd", CRD)
    found = [item for item in [*items, crd] if not item["metadata"]["name"].startswith("sh.helm.release")]
    assert {item["kind"] for item in found} >= {"CognitiveAgent", "Secret", "PersistentVolumeClaim"}
    return {f"{item['kind']} {item['metadata']['name']}": item["metadata"]["uid"] for item in found}
