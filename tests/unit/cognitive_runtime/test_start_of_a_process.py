import asyncio
from typing import cast

import pytest

from cognitive_runtime.adapters.tools.process_start import Process, started
from support.eventually import settle

PROCESS = cast("Process", object())


class Start:
    """A start of a process that ends when it is told."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.stopped: list[Process] = []

    async def begin(self) -> Process:
        await self.may_end.wait()
        return PROCESS

    async def stop(self, process: Process) -> None:
        self.stopped.append(process)


async def test_a_process_that_has_started_is_returned() -> None:
    start = Start()
    start.may_end.set()
    assert await started(start.begin(), start.stop) is PROCESS
    assert start.stopped == []


@pytest.mark.parametrize("cancellations", [1, 2, 3])
async def test_a_process_whose_caller_was_cancelled_is_stopped_once_it_has_started(cancellations: int) -> None:
    start = Start()
    caller = asyncio.create_task(started(start.begin(), start.stop))
    for _ in range(cancellations):
        await settle()
        caller.cancel()
    start.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await settle()
    assert start.stopped == [PROCESS]


async def test_a_start_that_fails_raises_its_error_and_stops_nothing() -> None:
    async def fail() -> Process:
        raise FileNotFoundError("git")

    start = Start()
    with pytest.raises(FileNotFoundError):
        await started(fail(), start.stop)
    assert start.stopped == []
