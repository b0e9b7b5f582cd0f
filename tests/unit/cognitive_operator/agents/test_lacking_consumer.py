"""An agent whose consumer was deleted is known by what its workers say."""

import pytest

from cognitive_operator.api.wire import Lease
from cognitive_operator.reconcile.state.agent_record import ObservedWorker
from cognitive_operator.reconcile.state.index import Index
from support.builders import operator_objects as o


def lease(reason: str | None) -> Lease:
    times = {"started_at": o.NOW, "renewed_at": o.NOW}
    who = {"worker": "w0", "agent_uid": o.AGENT_UID, "submission_id": "ca-x-1", "mode": "Embedded"}
    what = {"ready": reason is None, "reason": reason, "capacity": 8, "runtime_version": "1"}
    return Lease.model_validate(who | times | what)


@pytest.mark.parametrize(("reason", "expected"), [("ConsumerMissing", True), ("Draining", False), (None, False)])
def test_a_worker_without_a_consumer_tells(reason: str | None, expected: bool) -> None:
    index = Index()
    record = index.upsert_agent(o.agent_body())
    assert record is not None
    workers = {"w0": ObservedWorker(1, lease(reason), 0.0)}
    assert index.update_agent(record, workers=workers).lacks_consumer is expected
