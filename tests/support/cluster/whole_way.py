"""One agent with a Ray cluster and a model server of its own, under an operator that helm has installed."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cognitive_operator.api.model_server import PORT
from support.builders.cognitive_objects import INPUTS, Cluster, task
from support.builders.managed_agents import READY_S
from support.builders.typed_results import untyped
from support.cluster import model_completions
from support.cluster.chart_release import Release
from support.eventually import eventually

OWNER = "the-" + "x" * 245 + "-way"
"""The longest name that there may be."""
UNCOUNTED = ("events", "events.events.k8s.io", "cognitivetasks.cognitive.seedcore.io")
"""Resources whose objects outlive an agent: events about it, and the users' tasks."""
ENDED = ("Succeeded", "Failed", "Cancelled")
SERVERS = ("-l", "app.kubernetes.io/component=model-server")
COMPLETIONS_S = 180.0


@dataclass(frozen=True)
class WholeWay:
    """The release, and the namespace of its users."""

    release: Release
    users: Cluster

    def change(self, **spec: Any) -> None:
        """Change the agent and wait until the operator has seen it."""
        self.users.kubectl("patch", "cagent", OWNER, "--type=merge", "-p", json.dumps({"spec": spec}))
        eventually(lambda: self.users.observed("cagent", OWNER), 30.0, 0.2)

    def agent(self) -> dict[str, Any]:
        """Return the agent's status."""
        status: dict[str, Any] = self.users.get("cagent", OWNER)["status"]
        return status

    def submit(self, *names: str) -> None:
        """Make tasks of the agent."""
        self.users.apply(*[task(name, OWNER) for name in names])

    def think(self, name: str, timeout_s: float = 120.0) -> dict[str, Any]:
        """Make a task and return how it ended."""
        self.submit(name)
        return self.ends([name], timeout_s)[name]

    def round(self, name: str) -> dict[str, dict[str, Any]]:
        """Have a task of each type done and return how they ended, by type; each in the first attempt, or it fails."""
        names = {f"{name}-{type_.lower()}": type_ for type_ in INPUTS}
        self.users.apply(*[task(each, OWNER, type_) for each, type_ in names.items()])
        ended = self.ends(names, READY_S)
        wrong = {each: found for each, type_ in names.items() if (found := untyped(type_, ended[each]))}
        assert not wrong, f"results that are not typed: {wrong}"
        return {type_: ended[each] for each, type_ in names.items()}

    def ends(self, names: Iterable[str], timeout_s: float) -> dict[str, dict[str, Any]]:
        """Wait until tasks have ended and return their status: all Succeeded in the first attempt, or it fails."""

        def ended() -> dict[str, dict[str, Any]]:
            found = {name: status for name, status in self.users.tasks().items() if name in set(names)}
            waiting = {name: told(status) for name, status in found.items() if status.get("phase") not in ENDED}
            assert not waiting, f"have not ended: {waiting}; the agent: {self.users.condition(OWNER, 'Ready')}"
            return found

        found = eventually(ended, timeout_s, 0.5)
        wrong = {name: told(s) for name, s in found.items() if s["phase"] != "Succeeded" or len(s["attempts"]) != 1}
        assert not wrong, f"did not succeed in the first attempt: {wrong}"
        return found

    def completions(self, bodies: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return what the agent's own model server answers to requests, by their names."""
        (server,) = self.users.kubectl("get", "deployments", *SERVERS, "-o", "name").split()
        command = ("python3", "-c", model_completions.program(), f"http://127.0.0.1:{PORT}")
        arguments = ("exec", "-i", server, "--", *command)
        told = self.users.kubectl(*arguments, stdin=json.dumps(bodies), timeout_s=COMPLETIONS_S)
        found: dict[str, dict[str, Any]] = json.loads(told)
        return found

    def objects(self) -> set[str]:
        """Return the names of all objects in the users' namespace but those of ``UNCOUNTED``."""
        kinds = self.release.admin("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
        wanted = [each for each in kinds if each not in UNCOUNTED and not each.endswith(".metrics.k8s.io")]
        return set(self.users.kubectl("get", ",".join(wanted), "-o", "name").split())

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods in the users' namespace."""
        found: list[dict[str, Any]] = self.users.kubectl.json("get", "pods")["items"]
        return found


def told(status: dict[str, Any]) -> str:
    """Return what a task's status says of its end, in a line."""
    attempts = [
        f"{each.get('outcome')} {each.get('errorType', '')} {each.get('message', '')}"
        for each in status.get("attempts", ())
    ]
    return f"{status.get('phase')} {status.get('reason')}: {status.get('message')} {attempts}"
