"""The condition Ready of a signature is written once for each generation, and a lost watch event is made good."""

from typing import Any

import pytest

from cognitive_operator.api.names import SIGNATURE_KIND, SIGNATURE_PLURAL
from cognitive_operator.errors import ApiUnavailableError, ConflictError, ForbiddenError, ObjectNotFoundError
from cognitive_operator.reconcile.signature.reconciler import SignaturePorts, SignatureReconciler
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.signatures import SignatureStore
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.status_writer import StatusWriter
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeEvents, FakeKube
from support.fakes.recorder import Recorder

NAME = ("team", "triage")
INVALID = [{"input": {"log": 1}, "output": {"severity": "low"}}]


class System:
    """The reconciler of signatures at an API server that records its calls."""

    def __init__(self, watched: tuple[str, ...] = ()) -> None:
        self.recorder, self.woken = Recorder(), list[str]()
        self.kube, self.events = FakeKube(self.recorder), FakeEvents(self.recorder)
        kube: Any = self.kube
        writer = StatusWriter(kube, self.events, SIGNATURE_KIND, SIGNATURE_PLURAL)
        self.store = SignatureStore(self.woken.extend)
        self.namespaces = WatchedNamespaces(watched, lambda *_: None)
        ports = SignaturePorts(self.kube.resources, self.namespaces, writer, FakeClock())
        self.reconciler = SignatureReconciler(ports, self.store, Timing())

    async def reconcile(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Reconcile a version of the signature; return the status that is written."""
        self.store.upsert(body)
        before = len(self.recorder.of("statuses.patch"))
        self.kube.statuses.answer = body | {"metadata": body["metadata"] | {"resourceVersion": "99"}}
        await self.reconciler.reconcile(NAME)
        written = self.recorder.of("statuses.patch")[before:]
        return written[0][3] if written else None


async def test_a_valid_signature_becomes_ready() -> None:
    system = System()
    status = await system.reconcile(o.signature_body())
    assert status == {
        "observedGeneration": 3,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Valid",
                "message": "Tasks can use the signature.",
                "observedGeneration": 3,
                "lastTransitionTime": o.NOW,
            }
        ],
    }
    assert system.events.events == []
    await system.reconciler.close()


async def test_a_status_that_says_it_already_is_not_written_again() -> None:
    system = System()
    status = await system.reconcile(o.signature_body())
    assert await system.reconcile(o.signature_body(version=100) | {"status": status}) is None
    await system.reconciler.close()


async def test_a_fault_is_said_in_the_condition_and_an_event() -> None:
    system = System()
    status = await system.reconcile(o.signature_body(demonstrations=INVALID))
    assert status is not None
    (ready,) = status["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSignature")
    assert ready["message"] == "spec.demonstrations[0].input.log: expected a string."
    assert [(event.type, event.reason) for event in system.events.events] == [("Warning", "InvalidSignature")]
    await system.reconciler.close()


async def test_a_signature_that_changed_meanwhile_is_reconciled_again() -> None:
    system = System()
    newer = o.signature_body(4, 40)
    system.recorder.effects["statuses.patch"] = ConflictError("409")
    system.kube.resources.bodies[SIGNATURE_PLURAL, *NAME] = newer
    with pytest.raises(ConflictError):
        await system.reconcile(o.signature_body())
    record = system.store.get(NAME)
    assert record is not None
    assert record.used.version.generation == 4
    await system.reconciler.close()


async def test_a_signature_that_is_deleted_while_its_status_is_written_stays_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system = System()
    patch = system.kube.statuses.patch

    async def delete_and_patch(*arguments: Any) -> Any:
        system.reconciler.delete(o.signature_body())
        return await patch(*arguments)

    monkeypatch.setattr(system.kube.statuses, "patch", delete_and_patch)
    assert await system.reconcile(o.signature_body()) is not None
    assert system.store.get(NAME) is None
    await system.reconciler.close()


async def test_a_signature_that_is_gone_is_forgotten() -> None:
    system = System()
    system.recorder.effects["statuses.patch"] = ObjectNotFoundError("404")
    await system.reconcile(o.signature_body())
    assert system.store.get(NAME) is None
    await system.reconciler.close()


async def test_a_list_replaces_what_no_watch_has_told() -> None:
    system = System()
    gone = o.signature_body()
    gone["metadata"] |= {"name": "gone", "uid": "uid-gone"}
    system.store.upsert(gone)
    system.store.wait(NAME, "task")
    system.kube.resources.listed[SIGNATURE_PLURAL] = [o.signature_body()]
    await system.reconciler.start()
    assert (system.store.get(NAME) is None, system.store.get(("team", "gone"))) == (False, None)
    assert (system.store.is_listed, system.woken) == (True, ["task"])
    await system.reconciler.close()


async def test_a_list_that_fails_forgets_nothing_and_stops_nothing() -> None:
    system = System()
    system.store.upsert(o.signature_body())
    system.recorder.effects["resources.list"] = ApiUnavailableError("no answer")
    await system.reconciler.start()
    assert (system.store.is_listed, system.store.get(NAME) is None) == (False, False)
    await system.reconciler.close()


async def test_an_object_that_cannot_be_read_is_ignored() -> None:
    system = System()
    system.reconciler.upsert(o.signature_body(inputs=[{"name": "x", "type": "text"}]))
    assert system.store.all() == []
    await system.reconciler.close()


async def test_a_namespace_that_cannot_be_listed_is_lost_alone_and_keeps_its_signatures() -> None:
    system = System(watched=("team", "other"))
    system.store.upsert(o.signature_body())
    resources = system.kube.resources
    resources.namespaces, resources.refused = frozenset({"team", "other"}), {"team": ForbiddenError("403")}
    await system.reconciler.start()
    assert system.recorder.of("resources.list") == [("resources.list", SIGNATURE_PLURAL)] * 2
    assert system.namespaces.lost == {"team"}
    assert system.store.get(NAME) is not None
