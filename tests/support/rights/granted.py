"""Rights on the Kubernetes API: those that roles grant, and those that an account has."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controlplane import Kubectl


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource, of one name if the role names it."""

    group: str
    resource: str
    verb: str
    name: str = ""

    def __str__(self) -> str:
        place = ".".join(filter(None, (self.resource, self.group)))
        return f"{self.verb} {place}" + (f" {self.name}" if self.name else "")


def rights_of(rules: Iterable[Mapping[str, Any]]) -> frozenset[Right]:
    """Return what rules of roles grant."""
    return frozenset(
        Right(group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or [""]
    )


def rights_in(manifests: Iterable[Mapping[str, Any]]) -> frozenset[Right]:
    """Return what all roles among some manifests grant."""
    roles = [found for found in manifests if found["kind"] in ("Role", "ClusterRole")]
    return frozenset(right for role in roles for right in rights_of(role.get("rules") or []))


def own_rights(kubectl: Kubectl, user: str, namespace: str) -> frozenset[Right]:
    """Return what a user may do in a namespace beyond every service account: ``kubectl auth can-i --list``."""
    return _listed(kubectl, user, namespace) - _listed(kubectl, f"{user}-without-roles", namespace)


def _listed(kubectl: Kubectl, user: str, namespace: str) -> frozenset[Right]:
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    review = json.dumps({**kind, "spec": {"namespace": namespace}})
    answer = json.loads(kubectl("create", "-f", "-", "-o", "json", "--validate=false", f"--as={user}", stdin=review))
    assert not answer["status"]["incomplete"], "the API server knows rights that it does not list"
    return rights_of(answer["status"]["resourceRules"])
