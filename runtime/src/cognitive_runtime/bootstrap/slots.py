"""Warm slots of Job mode: processes that are forked in advance, each of which executes one attempt."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import uuid4

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.json_logs import log_worker
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.bootstrap.exit_codes import JobExit, exit_of
from cognitive_runtime.bootstrap.fork_server import (
    ALIVE,
    CONNECTED,
    CRASHED,
    DRAINED,
    SIGNALS,
    ForkServer,
    ForkUnsafeError,
)
from cognitive_runtime.bootstrap.hosted import HostedWorker
from cognitive_runtime.bootstrap.job import termination_event
from cognitive_runtime.bootstrap.quick_imports import end_imports
from cognitive_runtime.bootstrap.reasoning import assemble_core, attempt_limits, load_reasoning
from cognitive_runtime.config import ExecutorSettings, RuntimeSettings

_LOGGER: Final = logging.getLogger(__name__)
_BEAT_EVERY_S: Final = 1.0


@dataclass(frozen=True)
class _SlotSettings:
    """Settings of the processes of all slots."""

    settings: RuntimeSettings
    arguments: ExecutorSettings
    slots: int

    def worker(self, name: str) -> HostedWorker:
        """Return the worker of a process. Belongs to its event loop."""
        arguments, settings = self.arguments, self.settings
        identity = WorkerIdentity(arguments.namespace, arguments.agent_uid, name, settings.submission_id, "Job")
        spec = WorkerSpec(identity, 1, arguments.required_secrets, self.slots, is_slot=True)
        limits = attempt_limits(settings, arguments.namespace, arguments.agent_uid)
        return HostedWorker(spec, settings, partial(assemble_core, limits=limits))


def run_slots(
    settings: RuntimeSettings,
    arguments: ExecutorSettings,
    slots: int,
    load: Callable[[], None] = load_reasoning,
) -> JobExit:
    """Import everything, then keep the processes of the slots until they are drained or this process is told to end.

    This process has no event loop, no connection and no thread while it forks.
    """
    try:
        load()
    finally:
        end_imports()  # freezes what is imported: collections in children copy none of its pages
    _LOGGER.info("executor started", extra={"event": "ExecutorStarted", "warm_slots": slots})
    server = ForkServer(partial(_run_slot, _SlotSettings(settings, arguments, slots)), slots, arguments.grace_s)
    try:
        code = server.run()
    except ForkUnsafeError as error:
        _LOGGER.error(str(error), extra={"event": "ForkUnsafe"})
        return JobExit.BAD_CONFIGURATION
    _LOGGER.info("executor ended", extra={"event": "ExecutorEnded", "exit_code": int(code)})
    return code


def _run_slot(slot_settings: _SlotSettings, index: int, pipe: int) -> int:
    """Execute one attempt in a forked process; return its exit status.

    Python renews the state of ``random`` in a forked process. Names, inboxes and TLS take theirs from the system.
    """
    name = f"ca-s{index}-{uuid4().hex[:8]}"
    log_worker(name)
    return asyncio.Runner().run(_serve(slot_settings.worker, name, pipe, slot_settings.arguments.grace_s))


async def _serve(make_worker: Callable[[str], HostedWorker], name: str, pipe: int, grace_s: float) -> int:
    terminated = termination_event()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    worker = make_worker(name)
    working, beating = asyncio.create_task(_work(worker)), asyncio.create_task(_beat(worker, pipe))
    giving_up = asyncio.create_task(worker.broker.wait_given_up())
    ending = asyncio.create_task(terminated.wait())
    tasks = (working, beating, giving_up, ending)
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        working.result()
        code = JobExit.DONE if worker.is_used else DRAINED
    elif giving_up.done():
        problem = giving_up.result()
        _LOGGER.error(problem.message, extra={"event": problem.event})
        code = exit_of(problem)
    else:
        code = CRASHED if beating.done() else JobExit.NOT_PUBLISHED
    await worker.stop(grace_s)
    await cancel(*tasks)
    return code


async def _work(worker: HostedWorker) -> None:
    await worker.broker.wait_connected()  # the first lease would fail without, and be tried again after a pause
    await worker.start()
    await worker.wait_drained()


async def _beat(worker: HostedWorker, pipe: int) -> None:
    """Write heartbeats until the worker has crashed and runs nothing, or the server has ended."""
    os.set_blocking(pipe, False)
    while not (status := worker.status()).wedged or status.running:
        try:
            with contextlib.suppress(BlockingIOError):
                os.write(pipe, CONNECTED if worker.broker.is_connected else ALIVE)
        except BrokenPipeError:
            _LOGGER.error("the fork server has ended; this slot ends, too", extra={"event": "ForkServerLost"})
            return
        await asyncio.sleep(_BEAT_EVERY_S)
