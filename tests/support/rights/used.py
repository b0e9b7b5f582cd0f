"""Rights that an operator used or lacked, from the API server's audit log at level Metadata."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from re import Pattern
from typing import Any

from support.rights.granted import Right

Entry = Mapping[str, Any]
BINDINGS = ("rolebindings", "clusterrolebindings")
ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True)
class Audit:
    """Requests of some accounts to the API server."""

    used: frozenset[Right]
    """Each right without a name, and with the name of the object that it was used for."""
    denied: frozenset[str]
    """Forbidden requests of accounts whose roles were bound: account, right and place of each."""

    def unused(self, granted: Iterable[Right]) -> list[Right]:
        """Return the rights that were granted and never used."""
        return sorted(set(granted) - self.used)

    def beyond(self, granted: Iterable[Right]) -> list[Right]:
        """Return the rights that were used though no role of ours grants them."""
        known = {Right(right.group, right.resource, right.verb) for right in granted}
        return sorted({right for right in self.used if not right.name} - known)


def audit_of(lines: Iterable[str], accounts: Pattern[str], since: datetime) -> Audit:
    """Read an audit log: the requests of accounts whose whole name matches, since a time."""
    used: set[Right] = set()
    denied: set[str] = set()
    unbound: set[tuple[str, str]] = set()
    for entry in sorted(_entries(lines, accounts, since), key=lambda entry: str(entry["requestReceivedTimestamp"])):
        user = _user(entry)
        if not accounts.fullmatch(user):
            _follow_binding(entry, unbound)
        elif not _is_forbidden(entry):
            used |= _rights(entry)
        elif not unbound & _places(user):
            denied |= {f"{user}: {_words(entry)}"}
    return Audit(frozenset(used), frozenset(denied))


def _entries(lines: Iterable[str], accounts: Pattern[str], since: datetime) -> Iterator[Entry]:
    """Yield requests for objects that the accounts have made, and everybody's about bindings of roles."""
    for line in lines:
        if not line.endswith("\n"):
            continue  # it is being written
        entry: Entry = json.loads(line)
        resource = (entry.get("objectRef") or {}).get("resource")  # none: discovery, which is everybody's
        if not resource or datetime.fromisoformat(entry["requestReceivedTimestamp"]) < since:
            continue
        if resource in BINDINGS or accounts.fullmatch(_user(entry)):
            yield entry


def _user(entry: Entry) -> str:
    return str(entry["user"].get("username", ""))


def _rights(entry: Entry) -> set[Right]:
    ref = entry["objectRef"]
    verbs = {str(entry["verb"])}
    if "patch" in verbs and (entry.get("responseStatus") or {}).get("code") == 201:
        verbs.add("create")  # server-side apply of what does not exist: the API server asks for this right, too
    named = {"", str(ref.get("name") or "")}
    return {Right(ref.get("apiGroup", ""), _resource(ref), verb, name) for verb in verbs for name in named}


def _resource(ref: Entry) -> str:
    return "/".join(filter(None, (ref["resource"], ref.get("subresource"))))


def _is_forbidden(entry: Entry) -> bool:
    return (entry.get("annotations") or {}).get("authorization.k8s.io/decision") == "forbid"


def _follow_binding(entry: Entry, unbound: set[tuple[str, str]]) -> None:
    """Note whose roles are taken away and given back: helm does both while an operator is still ending.

    A binding is named after its account, with a suffix perhaps, and lies in its namespace or in none.
    """
    ref, code = entry["objectRef"], (entry.get("responseStatus") or {}).get("code", 0)
    place = (str(ref.get("namespace") or ""), str(ref.get("name") or "").removesuffix("-agents"))
    if entry["verb"] == "delete" and code == 200:
        unbound.add(place)
    elif code == 201:
        unbound.discard(place)


def _places(user: str) -> set[tuple[str, str]]:
    namespace, _, name = user.removeprefix(ACCOUNT).partition(":")
    return {(namespace, name), ("", name)}


def _words(entry: Entry) -> str:
    ref = entry["objectRef"]
    place = ref.get("namespace") or "the cluster"
    return f"{Right(ref.get('apiGroup', ''), _resource(ref), entry['verb'])} in {place}"
