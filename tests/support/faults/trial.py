"""One test against the system: what happened in it, and whether the invariants hold after it."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from support.builders.cognitive_objects import task
from support.cluster.leftovers import on_broker, on_ray
from support.eventually import eventually
from support.faults.audit import AuditLog
from support.faults.evidence import Body, Evidence, Sighting, Write
from support.faults.invariants import broken, i2_kept_results
from support.faults.system import HOME, OPERATOR_NAMESPACE, OPERATOR_USER, FaultSystem, is_quick

Measured = Callable[[str, object], None]
"""Notes a figure of a test by its name, for the table at the end of the run."""
Tell = Callable[..., None]
"""Runs a story with its arguments; when it fails, the ones after it are told all the same."""
SWEPT_AFTER_S = 120.0
"""Two looks of the operator's sweep, 30 s apart, and the cleaning itself."""
QUIET_S = 3.0 if is_quick() else 10.0
SETTLE_TIMEOUT_S = 120.0


class Debts:
    """UIDs of deleted objects, until it was seen that nothing is left of them."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def add(self, uids: Iterable[str]) -> None:
        """Note a deletion."""
        for uid in uids:
            self._since.setdefault(uid, time.monotonic())

    def postpone(self, seconds: float) -> None:
        """Give more time to sweep: the broker was away for so long."""
        self._since = {uid: since_s + seconds for uid, since_s in self._since.items()}

    def due(self) -> frozenset[str]:
        """Return those of which nothing may be left any more."""
        now_s = time.monotonic()
        return frozenset(uid for uid, since_s in self._since.items() if now_s - since_s > SWEPT_AFTER_S)

    def settle(self, uids: frozenset[str]) -> None:
        """Forget those that were looked at."""
        for uid in uids:
            self._since.pop(uid, None)

    @property
    def wait_s(self) -> float:
        """Seconds until all are due."""
        return max((SWEPT_AFTER_S + 1 + since_s - time.monotonic() for since_s in self._since.values()), default=0.0)


class Trial:
    """Begins with the construction; ``finish`` judges it."""

    def __init__(self, system: FaultSystem, debts: Debts) -> None:
        self.system = system
        self.observer = system.observer
        self.namespaces = [HOME]
        self.gone_namespaces: list[str] = []
        self.is_judged = False
        self.calls_per_attempt = 1
        self.ends: list[str] = []
        self._started: set[str] = set()
        self._debts = debts
        self._audit = AuditLog(system.servers.plane.audit_log_path, OPERATOR_USER)
        self._logs = {system.operator.log_path: system.operator.log_path.stat().st_size}
        self._looks: list[frozenset[str]] = []
        system.model.reset()
        system.switch.clear()
        self.observer.forget()
        self._audit.forget()

    def start(self, *names: str, agent: str = "thinker", namespace: str = HOME, **spec: Any) -> list[Body]:
        """Create tasks whose prompt holds their name."""
        bodies = [self.body(name, agent, **spec) for name in names]
        created = self.system.admin.create(namespace, *bodies)
        self._started.update(each["metadata"]["uid"] for each in created)
        return created

    def body(self, name: str, agent: str, **spec: Any) -> Body:
        """Return a task whose prompt holds its name."""
        return task(name, agent, **{"input": {"error_message": f"<{name}> failed"}, **spec})

    def wait_phase(self, phase: str, *names: str, timeout_s: float = 60.0, namespace: str = HOME) -> list[Sighting]:
        """Wait until these tasks are in a phase and return them."""
        self.observer.wait(
            lambda tasks: all(name in tasks and tasks[name].phase == phase for name in names), timeout_s, namespace
        )
        found = self.observer.tasks(namespace)
        return [found[name] for name in names]

    def wait_ended(self, timeout_s: float = SETTLE_TIMEOUT_S, namespace: str = HOME) -> list[Sighting]:
        """Wait until every task of a namespace has ended and return them."""

        def ended(tasks: dict[str, Sighting]) -> bool:
            return all(each.is_terminal for each in tasks.values()) and self.observer.has_seen(self._started)

        self.observer.wait(ended, timeout_s, namespace)
        return list(self.observer.tasks(namespace).values())

    def wait_calls(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait until the model was asked so often."""
        model = self.system.model
        eventually(lambda: len(model.requests) >= count, timeout_s)

    def executions(self, body: Body) -> dict[int, int]:
        """Return how often each attempt of a task reached the model."""
        uid, counts = body["metadata"]["uid"], self.system.model.executions
        return {int(key.rpartition(".")[2]): n for key, n in counts.items() if key.startswith(uid)}

    def writes(self, name: str) -> int:
        """Return how often the operator wrote a task."""
        return sum(1 for w in self._audit.writes() if w.name == name and w.resource.startswith("cognitivetasks"))

    def audited(self) -> list[Write]:
        """Return all that the operator has written since the beginning."""
        return list(self._audit.writes())

    def log(self) -> list[Body]:
        """Return what the operators have logged since the beginning."""
        found: list[Body] = []
        for path, position in self._logs.items():
            with path.open("rb") as lines:
                lines.seek(position)
                found += [_parsed(line) for line in lines]
        return found

    def watch_logs(self, *paths: Path) -> None:
        """Judge the logs of further operators, too, from their beginning."""
        for path in paths:
            path.touch()
            self._logs[path] = 0

    def look(self) -> None:
        """Note which large results the object store holds, for the comparison with later looks."""
        found = self.system.loop.run(on_broker(self.system.servers.nats.url))
        self._looks.append(frozenset(_objects(found)))

    def vanished(self) -> list[str]:
        """Return the results that were seen in a status or in the object store, and are not there any more."""
        seen = [each for each in self.observer.sightings if each.namespace in self.namespaces]
        return list(i2_kept_results(Evidence(sightings=seen, stored=list(self._looks))))

    def postpone(self, seconds: float) -> None:
        """Expect what was deleted to be swept later: the broker was away for so long."""
        self._debts.postpone(seconds)

    def finish(self, *, quiet: bool = True) -> None:
        """End all faults, wait until all is settled, and fail when an invariant does not hold."""
        self.is_judged = True
        self.system.heal()
        for namespace in self.namespaces:
            self.wait_ended(namespace=namespace)
        quiet_since_s = self._settled() if quiet else float("inf")
        if self._looks:
            self.look()
        due = self._debts.due()
        found = broken(self.evidence(quiet_since_s, due))
        self._debts.settle(due)
        self._debts.add(seen.uid for seen in self.observer.sightings if seen.is_deleted)
        assert not found, "invariants are broken:\n" + "\n".join(found)

    def evidence(self, quiet_since_s: float, due: frozenset[str]) -> Evidence:
        """Return all that the invariants are judged by; what is written while it is gathered is not judged."""
        writes, servers = self.audited(), self.system.servers
        leftovers = self.system.loop.run(on_broker(servers.nats.url)) if due else []
        leftovers += self.system.loop.run(on_ray(servers.ray.address)) if due else []
        namespaces = frozenset([*self.namespaces, *self.gone_namespaces])
        return Evidence(
            sightings=[seen for seen in self.observer.sightings if seen.namespace in namespaces],
            executions=dict(self.system.model.executions),
            calls_per_attempt=self.calls_per_attempt,
            writes=writes,
            quiet_since_s=quiet_since_s,
            deleted=due,
            leftovers=leftovers,
            stored=list(self._looks),
            namespaces=namespaces,
            operator_namespace=OPERATOR_NAMESPACE,
            ends=[*self.ends, *self._unwanted_end()],
            log_lines=self.log(),
            secrets=[self.system.key, *self._signing_key()],
            texts=self.system.shown(self.namespaces),
        )

    def clean(self) -> None:
        """Delete the tasks at home, so that the next test begins without them."""
        uids = [seen.uid for seen in self.observer.tasks(HOME).values()]
        self.system.admin.delete("CognitiveTask", HOME)
        self.observer.wait(lambda tasks: not tasks, 30.0, HOME)
        self._debts.add(uids)

    def _settled(self) -> float:
        """Wait for a time without any write and return when it began; fail after some tries."""
        began_s = time.time()

        def quiet() -> bool:
            last_s = max((write.at_s for write in self._audit.writes()), default=began_s)
            return time.time() - max(last_s, began_s) > QUIET_S

        eventually(quiet, 4 * QUIET_S, 0.5)
        return time.time() - QUIET_S

    def _unwanted_end(self) -> list[str]:
        process = self.system.operator.process
        return [] if process.is_running else [f"the operator ended with {process.exit_code}"]

    def _signing_key(self) -> list[str]:
        secret = self.system.admin(
            "GET", f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/secrets/cognitive-operator-signing-key"
        )
        return list(secret["data"].values())


def _objects(subjects: Iterable[str]) -> Iterator[str]:
    """Yield bucket and name of each object, out of the subjects of the object store."""
    for subject in subjects:
        if subject.startswith("$O.") and ".M." in subject:
            bucket, _, name = subject.removeprefix("$O.").partition(".M.")
            yield f"{bucket}/{name}"


def _parsed(line: bytes) -> Body:
    try:
        found: Any = json.loads(line)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": line.decode(errors="replace"), **_suspicion(line)}


def _suspicion(line: bytes) -> Body:
    return {"traceback": line.decode(errors="replace")} if line.startswith(b"Traceback") else {}
