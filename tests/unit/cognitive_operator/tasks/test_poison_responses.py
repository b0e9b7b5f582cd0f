"""Signed responses that no status can be made of, repeated responses, and statuses that may not be written."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.names import response_subject
from cognitive_operator.api.resources import Task
from cognitive_operator.api.wire import SIGNATURE_HEADER, attempt_key, sign
from cognitive_operator.errors import ForbiddenError, ObjectInvalidError
from cognitive_operator.plan.attempt.facts import AttemptFacts, InvalidResponse, Reading
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, attempt_end
from cognitive_operator.plan.attempt.next_step import plan_attempt
from cognitive_operator.plan.attempt.steps import Close, Wait
from cognitive_operator.plan.attempt.timing import AttemptTiming
from cognitive_operator.plan.task import TaskPlan
from cognitive_operator.ports.broker import Delivery, RetainedResponse
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import PendingResponse
from cognitive_operator.reconcile.status_writer import StatusWriter
from cognitive_operator.reconcile.task.inbox import InboxSettings, ResponseInbox
from cognitive_operator.reconcile.task.responses import ResponseReader, ResponseSettler
from cognitive_operator.reconcile.task.status import TaskStatus
from support.builders import operator_objects as o
from support.fakes.broker import FakeResponses
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeEvents, FakeKube, FakeResources

MASTER = b"m" * 32
POISON: dict[str, Any] = {
    "time": {"started_at": "yesterday"},
    "tokens": {"usage": {"prompt_tokens": 10**30, "completion_tokens": 0, "total_tokens": 10**30}},
    "result": {"result": {"text": "x" * 100_000}},
    "other attempt": {"attempt": 2},
}


def message(sequence: int, number: int = 1, **changes: Any) -> RetainedResponse:
    """Return a response with a right signature and some fields replaced."""
    key, content = o.key(number), o.completed(number).model_dump(mode="json") | changes
    subject, data = response_subject("completed", "team", key), json.dumps(content).encode()
    signature = sign(attempt_key(MASTER, key.task_uid, key.number), subject, data)
    return RetainedResponse(subject, {SIGNATURE_HEADER: signature}, data, sequence)


@dataclass
class FakeDelivery:
    """A delivery that records how it was settled."""

    response: RetainedResponse
    deliveries: int = 1
    settled: list[str] = field(default_factory=list)

    async def ack(self) -> None:
        self.settled.append("ack")

    async def term(self) -> None:
        self.settled.append("term")

    async def reject(self, reason: str, cause: str) -> None:
        self.settled.append(f"reject {reason}")

    async def nak(self, delay_s: float) -> None:
        self.settled.append("nak")


class Scene:
    """An inbox and a task that the index knows, unless ``is_known`` is False."""

    def __init__(self, *, is_known: bool = True) -> None:
        self.index, self.tasks, self.enqueued = Index(), FakeResources(), list[str]()
        if is_known:
            self.index.upsert_task(o.task_body(), 0.0)
        self.dropped: list[str] = []
        self.charged: list[tuple[str, int | None]] = []
        intake: Any = SimpleNamespace(enqueue=self.enqueued.extend)
        metrics: Any = SimpleNamespace(count=lambda name, reason: self.dropped.append(reason))
        settings = InboxSettings(MASTER, 1.0, 1.0)
        self.inbox = ResponseInbox(
            FakeResponses(), self.tasks, intake, self.index, metrics, charge=self.charge, settings=settings
        )

    def charge(self, uid: str, end: AttemptEnd) -> None:
        self.charged.append((uid, end.sequence))

    async def deliver(self, response: RetainedResponse) -> FakeDelivery:
        delivery = FakeDelivery(response)
        await self.inbox._receive(delivery)
        return delivery

    @property
    def pending(self) -> tuple[PendingResponse, ...]:
        return self.index.tasks[o.TASK_UID].pending_responses


@pytest.mark.parametrize("fields", POISON.values(), ids=POISON)
async def test_an_unusable_response_is_a_dead_letter_at_once_and_its_attempt_is_observed(fields: Any) -> None:
    scene = Scene()
    delivery = await scene.deliver(message(7, **fields))
    assert (delivery.settled, scene.dropped, scene.pending) == (["reject Malformed"], ["Malformed"], ())
    assert (scene.enqueued, scene.charged) == ([o.TASK_UID], [])


async def test_a_verified_response_is_charged_when_it_is_delivered() -> None:
    scene = Scene()
    await scene.deliver(message(7))
    assert (scene.charged, scene.enqueued) == ([(o.TASK_UID, 7)], [o.TASK_UID])


async def test_a_response_without_a_right_signature_has_no_attempt_observed() -> None:
    scene, good = Scene(), message(7)
    await scene.deliver(RetainedResponse(good.subject, {SIGNATURE_HEADER: "00"}, good.data, 7))
    assert (scene.dropped, scene.enqueued) == (["WrongSignature"], [])


async def test_the_stream_tells_an_unusable_response_from_none_and_prefers_a_valid_one() -> None:
    bad, good = message(7, started_at="yesterday"), message(8)
    for stored, expected in (([bad], InvalidResponse), ([bad, good], type(attempt_end(o.key(), o.completed())))):
        reader = ResponseReader(FakeResponses(pages={0: stored}), MASTER)
        assert isinstance(await reader.retained("team", o.key()), expected)
    forged = RetainedResponse(bad.subject, {SIGNATURE_HEADER: "00"}, bad.data, 7)
    assert await ResponseReader(FakeResponses(pages={0: [forged]}), MASTER).retained("team", o.key()) is None


@pytest.mark.parametrize("state", ["running", "ended"])
def test_an_attempt_with_an_unusable_response_ends_as_soon_as_its_claim_has_ended(state: str) -> None:
    attempt = o.in_flight(2.0, claimed=o.claim(state))
    step = plan_attempt(attempt_facts(attempt), AttemptTiming())
    if state == "running":
        assert step == Wait()
        return
    assert isinstance(step, Close)
    assert (step.end.outcome, step.end.reason, step.end.retryable) == (Outcome.FAILED, Reason.RESPONSE_INVALID, True)
    assert step.publishes_response
    assert step.end.message == (
        "Worker w0-a published an unusable response, which is kept as a dead letter: started_at: no time. Read it with "
        "`nats stream view AGENT_DEAD_LETTERS`, and run the operator's version of the runtime on the nodes of Ray."
    )


def attempt_facts(attempt: Any) -> AttemptFacts:
    return AttemptFacts(
        attempt,
        task=Task.model_validate(o.task_body()),
        agent=o.facts().agent,
        is_ray_changing=False,
        is_agent_blocked=False,
        server_time_s=None,
        now_s=100.0,
        now=o.NOW,
        claim=Reading(attempt.claim),
        retained=Reading(InvalidResponse("started_at: no time")),
    )


async def test_a_redelivered_response_replaces_the_earlier_one_in_memory() -> None:
    scene = Scene()
    deliveries = [await scene.deliver(message(7)) for _ in range(50)]
    (pending,) = scene.pending
    assert pending.delivery is deliveries[-1]
    assert all(not delivery.settled for delivery in deliveries)


async def test_of_many_responses_to_an_attempt_the_first_in_the_stream_is_kept() -> None:
    scene = Scene()
    late, first, other = [await scene.deliver(message(*each)) for each in ((9,), (7,), (8, 2))]
    again = await scene.deliver(message(9))
    assert [each.end.sequence for each in scene.pending] == [8, 7]
    assert (late.settled, first.settled, other.settled, again.settled) == (["ack"], [], [], ["ack"])
    assert scene.dropped == ["AttemptClosed", "AttemptClosed"]


async def test_a_task_that_may_not_be_read_occupies_no_place_at_the_broker() -> None:
    scene = Scene(is_known=False)
    scene.tasks.recorder.effects["resources.get"] = ForbiddenError("GET: 403")
    assert (await scene.deliver(message(7))).settled == ["ack"]


async def test_a_status_that_may_not_be_written_releases_its_responses_and_keeps_what_they_report() -> None:
    scene = Scene()
    delivery = await scene.deliver(message(7))
    metrics: Any = None
    settler = ResponseSettler(scene.index, metrics)
    await settler.release(o.TASK_UID)
    (pending,) = scene.pending
    assert (delivery.settled, pending.delivery, pending.end.sequence) == (["ack"], None, 7)
    await settler.settle(scene.index.tasks[o.TASK_UID], 1)
    assert delivery.settled == ["ack"]


async def test_the_response_of_a_refused_status_is_a_dead_letter() -> None:
    scene, kube = Scene(), FakeKube()
    delivery = await scene.deliver(message(7))
    refusals = [ObjectInvalidError("422 Invalid")]
    kube.recorder.effects["statuses.patch"] = lambda: raise_next(refusals)
    kube.statuses.answer = o.task_body({"phase": "Failed"})
    intake: Any = None
    writer: Any = StatusWriter(kube, FakeEvents(), "CognitiveTask", "cognitivetasks")
    status = TaskStatus(writer, scene.index, intake, FakeClock(), is_traced=False)
    record, end = scene.index.tasks[o.TASK_UID], scene.pending[0].end
    assert await status.write(record, o.task_body(), TaskPlan(patch={"phase": "Succeeded"}), end)
    *_, (_, _, _, patch) = kube.recorder.of("statuses.patch")
    assert (patch["phase"], patch["reason"], delivery.settled) == ("Failed", "StatusRefused", ["reject StatusRefused"])
    assert patch["message"] == (
        "The API server refused the task's status: 422 Invalid. Update the CRDs in the cluster if they are not "
        "those of this version of the operator."
    )


def raise_next(errors: list[ObjectInvalidError]) -> None:
    if errors:
        raise errors.pop()


_: type[Delivery] = FakeDelivery
