import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from support.rights.granted import Right, rights_in
from support.rights.used import Audit, audit_of

OPERATOR = "system:serviceaccount:home:operator"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
GET, CREATE, PATCH = (Right("apps", "deployments", verb) for verb in ("get", "create", "patch"))


def entry(verb: str, resource: str = "deployments", code: int = 200, second: int = 1, **more: Any) -> str:
    """Return a line of the log."""
    ref = {"apiGroup": "apps", "resource": resource, "namespace": "team", "name": "a", **more.pop("ref", {})}
    made = {
        "verb": verb,
        "user": {"username": OPERATOR},
        "objectRef": ref,
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": f"2026-01-01T00:00:{second:02d}.000000Z",
        "annotations": {"authorization.k8s.io/decision": "forbid" if code == 403 else "allow"},
        **more,
    }
    return json.dumps(made) + "\n"


def binding(verb: str, code: int, second: int, name: str = "operator", **ref: str) -> str:
    place = {"apiGroup": "rbac.authorization.k8s.io", "namespace": "home", "name": name, **ref}
    return entry(verb, "rolebindings", code, second, ref=place, user={"username": "admin"})


def read(*lines: str) -> Audit:
    return audit_of(lines, re.compile(OPERATOR), BEGAN)


def test_what_was_asked_is_used_and_the_rest_of_what_is_granted_is_not() -> None:
    audit = read(entry("get"), entry("get", code=404))
    assert audit.unused([GET, PATCH]) == [PATCH]
    assert audit.beyond([GET, PATCH]) == []
    assert audit.beyond([PATCH]) == [GET]


def test_a_patch_that_made_an_object_has_used_the_right_to_create() -> None:
    assert read(entry("patch", code=201)).unused([CREATE, PATCH]) == []
    assert read(entry("patch", code=200)).unused([CREATE, PATCH]) == [CREATE]


def test_a_part_of_a_resource_is_another_right() -> None:
    status = Right("apps", "deployments/status", "patch")
    assert read(entry("patch", ref={"subresource": "status"})).unused([PATCH, status]) == [PATCH]


def test_a_right_on_one_name_is_used_by_that_name_alone() -> None:
    named, other = Right("apps", "deployments", "get", "a"), Right("apps", "deployments", "get", "b")
    assert read(entry("get")).unused([named, other]) == [other]


@pytest.mark.parametrize(
    "line",
    [
        entry("get", user={"username": OPERATOR + "-2"}),
        entry("get", user={"username": "admin"}, impersonatedUser={"username": OPERATOR}),
        entry("get", requestReceivedTimestamp="2025-12-31T23:59:59.999999Z"),
        entry("get", objectRef=None),
        entry("get").rstrip(),
    ],
)
def test_other_accounts_earlier_times_and_discovery_do_not_count(line: str) -> None:
    assert read(line) == Audit(frozenset(), frozenset())


def test_what_is_denied_is_told_and_not_used() -> None:
    audit = read(entry("get", code=403))
    assert audit.used == frozenset()
    assert audit.denied == {f"{OPERATOR}: get deployments.apps in team"}


def test_a_refusal_of_an_allowed_request_is_no_denial() -> None:
    allowed = {"authorization.k8s.io/decision": "allow"}
    assert read(entry("get", code=403, annotations=allowed)).denied == frozenset()


@pytest.mark.parametrize(("name", "ref"), [("operator", {}), ("operator-agents", {}), ("operator", {"namespace": ""})])
def test_an_operator_that_ends_after_its_roles_is_forgiven(name: str, ref: dict[str, str]) -> None:
    gone, back = binding("delete", 200, 2, name, **ref), binding("create", 201, 4, name, **ref)
    assert read(entry("get", code=403, second=3), back, gone).denied == frozenset()
    assert len(read(gone, back, entry("get", code=403, second=5)).denied) == 1
    assert len(read(entry("get", code=403, second=1), gone, back).denied) == 1


@pytest.mark.parametrize("gone", [binding("delete", 404, 1), binding("delete", 200, 1, namespace="elsewhere")])
def test_the_end_of_another_binding_forgives_nothing(gone: str) -> None:
    assert len(read(gone, entry("get", code=403, second=2)).denied) == 1


def test_roles_among_manifests_grant_the_product_of_their_rules() -> None:
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}
    named = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["key"], "verbs": ["get"]}
    manifests = [
        {"kind": "ClusterRole", "rules": [rule]},
        {"kind": "Role", "rules": [named]},
        {"kind": "Namespace", "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
    ]
    assert rights_in(manifests) == {GET, PATCH, Right("", "secrets", "get", "key")}
