"""Cleanup of an attempt's objects. The log has a line with the reason of each deletion on the broker."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest

from cognitive_operator.api.names import (
    AttemptKey,
    artifact_name,
    input_name,
    members_name,
    object_name,
    operations_name,
    parse_object,
    reasoning_name,
    results_bucket,
)
from cognitive_operator.api.wire import Lease
from cognitive_operator.ports.broker import ObservedLease
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.task.cleanup import AttemptCleanup
from support.builders import operator_objects as o
from support.eventually import eventually_async
from support.fakes.broker import FakeBroker
from support.fakes.ray import FakeRay

KEY = o.key()
BUCKET = results_bucket(KEY.agent_uid)
LEASE = Lease.model_validate(
    {
        "agent_uid": KEY.agent_uid,
        "worker": "w0-a",
        "submission_id": "ca-x-1",
        "mode": "Embedded",
        "capacity": 1,
        "started_at": o.NOW,
        "ready": True,
        "runtime_version": "1",
        "renewed_at": o.NOW,
    }
)


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
async def cleanup(broker: FakeBroker, caplog: pytest.LogCaptureFixture) -> AsyncIterator[AttemptCleanup]:
    caplog.set_level(logging.INFO)
    made = AttemptCleanup(broker, FakeRay(), lambda _: None, stop_every_s=0.001, backoff_s=(0.001,))
    yield made
    await made.close()


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the objects and reasons of all lines."""
    return [(vars(line).get("object", line.message), vars(line)["reason"]) for line in caplog.records]


async def clean(cleanup: AttemptCleanup, broker: FakeBroker, garbage: AttemptGarbage, last: str) -> None:
    cleanup.add(garbage)

    async def done() -> bool:
        return last in broker.recorder.names

    await eventually_async(done, 2.0, 0.001)
    await asyncio.sleep(0)


async def test_each_object_that_was_deleted_is_logged_with_the_reason(
    cleanup: AttemptCleanup, broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.claims.claims = {KEY: o.claim("ended")}
    broker.objects.content = {(BUCKET, object_name(KEY)): b"result"}
    garbage = AttemptGarbage("team", KEY, is_gone=True, reason="a watch event reports its task as deleted")
    await clean(cleanup, broker, garbage, "objects.exists")
    names = [f"request agent.request.team.{KEY}", f"claim {KEY}", f"object {object_name(KEY)} of bucket {BUCKET}"]
    assert lines(caplog) == [(name, garbage.reason) for name in names]
    assert broker.recorder.of("objects.delete") == [
        ("objects.delete", KEY.agent_uid, name)
        for name in (
            object_name(KEY),
            input_name(KEY),
            reasoning_name(KEY),
            members_name(KEY),
            operations_name(KEY),
        )
    ]


async def test_the_artifacts_of_an_attempt_are_deleted_the_first_last(
    cleanup: AttemptCleanup, broker: FakeBroker
) -> None:
    broker.objects.content = {(BUCKET, artifact_name(KEY, 1)): b"answer"}
    cleanup.add(AttemptGarbage("team", KEY, is_gone=True, reason="r"))

    async def done() -> bool:
        return ("objects.delete", KEY.agent_uid, artifact_name(KEY, 1)) in broker.recorder.of("objects.delete")

    await eventually_async(done, 2.0, 0.001)
    deleted = [name for _, _, name in broker.recorder.of("objects.delete") if "artifact" in name]
    assert deleted == [artifact_name(KEY, number) for number in range(16, 0, -1)]


@pytest.mark.parametrize(
    "name", [object_name(KEY), input_name(KEY), reasoning_name(KEY), operations_name(KEY), artifact_name(KEY, 16)]
)
def test_every_object_names_its_attempt(name: str) -> None:
    assert parse_object(KEY.agent_uid, name) == KEY


async def test_what_was_absent_already_is_not_logged(
    cleanup: AttemptCleanup, broker: FakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.requests.is_present = False
    await clean(cleanup, broker, AttemptGarbage("team", KEY, is_gone=True, reason="r"), "objects.exists")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("garbage", "told"),
    [
        (AttemptGarbage("team", KEY, is_gone=True, is_orphan=True, reason="no list has it"), "Orphaned"),
        (AttemptGarbage("team", KEY, is_gone=True, reason="deleted"), "TaskDeleted"),
        (AttemptGarbage("team", KEY, reason="cancelled"), "AttemptClosed"),
    ],
)
async def test_a_running_attempt_is_told_why_it_stops_and_the_log_says_so_once(
    cleanup: AttemptCleanup,
    broker: FakeBroker,
    caplog: pytest.LogCaptureFixture,
    garbage: AttemptGarbage,
    told: str,
) -> None:
    broker.requests.is_present = False
    broker.claims.claims = {KEY: o.claim()}
    broker.leases.listed = [ObservedLease(1, LEASE)]
    await clean(cleanup, broker, garbage, "control.send")

    async def repeated() -> bool:
        return len(broker.recorder.of("control.send")) > 2

    await eventually_async(repeated, 2.0, 0.001)
    assert {json.loads(payload)["reason"] for _, _, _, payload in broker.recorder.of("control.send")} == {told}
    assert lines(caplog) == [("stopping an attempt", garbage.reason)]


@pytest.mark.parametrize(("submission_id", "stops"), [("ca-x-1", False), (f"ct-{KEY.task_uid}-1", True)])
async def test_the_ray_job_of_warm_slots_is_not_stopped_with_one_attempt(
    broker: FakeBroker, submission_id: str, stops: bool
) -> None:
    ray = FakeRay(broker.recorder)
    cleanup = AttemptCleanup(broker, ray, lambda _: RayTarget("http://ray"), stop_every_s=0.001, backoff_s=(0.001,))
    claim = o.claim().model_copy(update={"mode": "Job", "submission_id": submission_id})
    broker.claims.claims = {KEY: claim}
    broker.leases.listed = [ObservedLease(1, LEASE)]
    garbage = AttemptGarbage("team", KEY, reason="cancelled")
    cleanup.add(garbage)

    async def repeated() -> bool:
        return len(broker.recorder.of("control.send")) > 2

    await eventually_async(repeated, 2.0, 0.001)
    await cleanup.close()
    assert {call[2] for call in broker.recorder.of("ray.stop")} == ({submission_id} if stops else set())


async def test_equal_attempts_are_one_whatever_the_reason() -> None:
    other = AttemptKey(KEY.agent_uid, KEY.task_uid, 2)
    assert len({AttemptGarbage("team", KEY, reason="a"), AttemptGarbage("team", KEY, reason="b", is_orphan=True)}) == 1
    assert AttemptGarbage("team", KEY, reason="a") != AttemptGarbage("team", other, reason="a")


async def test_an_attempt_of_an_unknown_agent_gets_no_stop_message(cleanup: AttemptCleanup, broker: FakeBroker) -> None:
    """The subject of its executors has the namespace."""
    broker.claims.claims = {KEY: o.claim()}
    broker.leases.listed = [ObservedLease(1, LEASE)]
    await clean(cleanup, broker, AttemptGarbage("", KEY, is_gone=True), "leases.list")
    assert broker.recorder.of("control.send") == []
