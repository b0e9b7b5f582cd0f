import asyncio

import pytest

from cognitive_operator.adapters.kube.event_recorder import DRAIN_S, EventRecorder
from cognitive_operator.adapters.kube.events import event_manifest
from cognitive_operator.errors import ForbiddenError
from cognitive_operator.ports.kube import EventSink, KubeEvent, ObjectRef

ABOUT = ObjectRef("CognitiveTask", "default", "why", "uid-1")


class Writer:
    """Records, and waits or fails when told to."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.free = asyncio.Event()
        self.free.set()
        self.refuse = False
        self.dropped = 0

    def drop(self) -> None:
        self.dropped += 1

    async def create(self, about: ObjectRef, event: KubeEvent) -> None:
        await self.free.wait()
        if self.refuse:
            raise ForbiddenError("events are forbidden")
        self.written.append(event.message)


def emit(sink: EventSink, *messages: str) -> None:
    for message in messages:
        sink.emit(ABOUT, KubeEvent("Normal", "Succeeded", message))


async def test_events_are_written_in_order_by_the_end() -> None:
    writer = Writer()
    async with EventRecorder(writer, writer.drop) as recorder:
        emit(recorder, "a", "b", "c")
        assert writer.written == [], "emit does nothing but queue"
    assert (writer.written, writer.dropped) == (["a", "b", "c"], 0)


async def test_under_pressure_the_oldest_go_and_are_counted() -> None:
    writer = Writer()
    writer.free.clear()
    async with EventRecorder(writer, writer.drop, size=3) as recorder:
        emit(recorder, "taken")
        await asyncio.sleep(0)
        emit(recorder, "1", "2", "3", "4", "5")
        assert writer.dropped == 2
        writer.free.set()
    assert writer.written == ["taken", "3", "4", "5"]


async def test_an_api_that_hangs_holds_the_end_up_for_a_bounded_time() -> None:
    writer = Writer()
    writer.free.clear()
    async with asyncio.timeout(DRAIN_S * 0.75), EventRecorder(writer, writer.drop, drain_s=0.1) as recorder:
        emit(recorder, "never")


async def test_refused_events_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer()
    writer.refuse = True
    async with EventRecorder(writer, writer.drop) as recorder:
        emit(recorder, *"abcde")
    assert writer.dropped == 5
    assert len([record for record in caplog.records if "forbidden" in record.message]) == 1


async def test_nothing_queued_ends_at_once() -> None:
    async with asyncio.timeout(10), EventRecorder(Writer(), Writer().drop, drain_s=60):
        pass


async def test_events_give_way_to_other_writes() -> None:
    writer = Writer()
    async with EventRecorder(writer, writer.drop) as recorder:
        emit(recorder, *map(str, range(20)))
        await asyncio.sleep(0.1)
        assert 1 <= len(writer.written) <= 10


@pytest.mark.parametrize("name", ["why", "x" * 253, "x" * 229 + "." + "y" * 20])
def test_an_events_name_is_unique_and_valid(name: str) -> None:
    about = ObjectRef("CognitiveTask", "default", name, "uid-1")
    names = [event_manifest(about, KubeEvent("Normal", "Succeeded", ""))["metadata"]["name"] for _ in range(2)]
    assert all(len(name) <= 253 and ".." not in name for name in names)


def test_a_note_is_cut_between_characters() -> None:
    note = event_manifest(ABOUT, KubeEvent("Normal", "Succeeded", "x" + "ü" * 600))["note"]
    assert note == "x" + "ü" * 511
