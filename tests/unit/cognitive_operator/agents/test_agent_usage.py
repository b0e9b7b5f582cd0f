"""Counters of an agent, computed from the response stream: reading, verification and order."""

from typing import Any

import pytest

from cognitive_operator.api.counters import Counters
from cognitive_operator.api.names import response_subject, responses_of_agent
from cognitive_operator.api.wire import SIGNATURE_HEADER, Completed, Failed, attempt_key, sign
from cognitive_operator.ports.broker import RetainedResponse
from cognitive_operator.reconcile.agent.usage import PAGE, UsageCounter
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from support.builders import operator_objects as o
from support.fakes.broker import FakeResponses
from support.fakes.kube import FakeResources

MASTER = b"m" * 32
TASK = ("cognitivetasks", "team", "why")


def message(sequence: int, response: Completed | Failed, master: bytes = MASTER) -> RetainedResponse:
    key = o.key(response.attempt)
    subject, data = response_subject(response.status, "team", key), response.model_dump_json().encode()
    signature = sign(attempt_key(master, key.task_uid, key.number), subject, data)
    return RetainedResponse(subject, {SIGNATURE_HEADER: signature}, data, sequence)


def finished(sequence: int, number: int = 1) -> dict[str, Any]:
    ended = [{"number": n, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed"} for n in range(1, number)]
    last = {"number": number, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Succeeded", "sequence": sequence}
    return o.task_body({"phase": "Succeeded", "attempts": [*ended, last]})


class Desk:
    """A usage counter and the messages behind ``after``; the index holds the agent and the task."""

    def __init__(self, *messages: RetainedResponse, after: int = 0, task: dict[str, Any] | None = None) -> None:
        self.index, self.tasks = Index(), FakeResources()
        self.responses = FakeResponses(created_at="2026", pages={after: messages})
        self.counter = UsageCounter(self.index, self.tasks, self.responses, MASTER, lambda: "2026-11-21")
        if task is not None:
            self.index.upsert_task(task, 0.0)

    async def count(self, status: dict[str, Any] | None = None) -> Counters:
        record = self.index.upsert_agent(o.agent_body() | {"status": status or {}})
        assert isinstance(record, AgentRecord)
        return await self.counter.count(record)

    @property
    def read(self) -> list[tuple[str, int]]:
        """Subjects of each read, and the sequence number behind which it begins."""
        return [(subjects, after) for _, subjects, after, _ in self.responses.recorder.of("responses.read")]


async def test_a_finished_task_is_counted_from_where_the_status_stands() -> None:
    desk = Desk(message(8, o.completed()), after=7, task=finished(8))
    before = {"tasksProcessed": 3, "tokens": {"total": 5}, "accounting": {"stream": "2026", "sequence": 7}}
    counters = await desk.count(before)
    assert (counters.tasks_processed, counters.tokens.total, counters.accounting.sequence) == (4, 20, 8)
    assert desk.read == [(responses_of_agent("team", o.AGENT_UID), 7)]
    assert desk.tasks.recorder.calls == []


async def test_a_message_that_nobody_may_trust_is_passed() -> None:
    desk = Desk(message(1, o.completed(), b"x" * 32), message(2, o.completed()), task=finished(2))
    counters = await desk.count()
    assert (counters.tasks_processed, counters.accounting.sequence) == (1, 2)


async def test_counting_waits_for_a_task_whose_status_is_not_written() -> None:
    desk = Desk(message(1, o.completed()), task=o.task_body({"phase": "Running"}))
    assert (await desk.count()).accounting.sequence == 0


async def test_the_api_server_is_asked_about_a_task_that_is_not_known_here() -> None:
    desk = Desk(message(1, o.completed()))
    desk.tasks.bodies[TASK] = o.task_body()
    assert (await desk.count()).accounting.sequence == 0
    assert desk.tasks.recorder.calls == [("resources.get", *TASK)]


@pytest.mark.parametrize("body", [None, finished(1) | {"metadata": finished(1)["metadata"] | {"uid": "another"}}])
async def test_a_task_that_is_deleted_counts_by_its_response(body: dict[str, Any] | None) -> None:
    desk = Desk(message(1, o.completed()))
    if body is not None:
        desk.tasks.bodies[TASK] = body
    counters = await desk.count()
    assert (counters.tasks_processed, counters.tasks_succeeded) == (1, 1)


async def test_a_late_response_costs_but_ends_nothing() -> None:
    desk = Desk(message(4, o.completed(2)), message(9, o.completed(1)), task=finished(4, number=2))
    counters = await desk.count()
    assert (counters.tasks_processed, counters.tokens.total) == (1, 30)


async def test_more_than_a_page_is_read_to_its_end() -> None:
    messages = [message(n, o.completed(), b"x" * 32) for n in range(1, 2 * PAGE + 2)]
    desk = Desk()
    desk.responses.pages = {after: messages[after : after + PAGE] for after in (0, PAGE, 2 * PAGE)}
    assert (await desk.count()).accounting.sequence == 2 * PAGE + 1
    assert [after for _, after in desk.read] == [0, PAGE, 2 * PAGE]


async def test_a_stream_that_was_made_anew_is_read_from_its_beginning() -> None:
    desk = Desk(message(1, o.completed()), task=finished(1))
    counters = await desk.count({"tasksProcessed": 9, "accounting": {"stream": "2025", "sequence": 700}})
    assert (counters.tasks_processed, counters.accounting.stream) == (10, "2026")
