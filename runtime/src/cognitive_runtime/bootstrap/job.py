"""Job mode: a process that executes one attempt."""

import asyncio
import logging
import signal
import time
from typing import Final
from uuid import uuid4

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.nats.direct import read_request
from cognitive_runtime.adapters.nats.subjects import RequestSubject
from cognitive_runtime.adapters.worker.attempt_runner import DeliveryOutcome
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.bootstrap.exit_codes import JobExit, exit_of
from cognitive_runtime.bootstrap.hosted import HostedWorker, MakeReasoner
from cognitive_runtime.config import RuntimeSettings

_LOGGER: Final = logging.getLogger(__name__)
_SPOOLED_S: Final = 2.0
"""Time for publishing responses that earlier jobs of the agent left in the spool of this node."""


async def run_attempt(
    settings: RuntimeSettings, subject: RequestSubject, make_reasoner: MakeReasoner, grace_s: float
) -> JobExit:
    """Execute the attempt requested on ``subject``. On SIGTERM, end within the grace period.

    Without a connection to the broker, end after ``settings.broker_wait_s``.
    """
    began = time.monotonic()
    identity = WorkerIdentity(
        subject.namespace, subject.agent_uid, f"ct-{uuid4().hex[:8]}", settings.submission_id, "Job"
    )
    worker = HostedWorker(WorkerSpec(identity), settings, make_reasoner)
    terminated = termination_event()
    await worker.start()
    attempt = asyncio.create_task(_execute(worker, subject))
    ending = asyncio.create_task(terminated.wait())
    giving_up = asyncio.create_task(worker.broker.wait_given_up())
    await asyncio.wait({attempt, ending, giving_up}, return_when=asyncio.FIRST_COMPLETED)
    problem = giving_up.result() if giving_up.done() and not attempt.done() else None
    await worker.stop(grace_s)
    await cancel(attempt, ending, giving_up)
    code = JobExit.NOT_PUBLISHED if attempt.cancelled() else attempt.result()
    if problem is not None:
        code = exit_of(problem)
        _LOGGER.error(problem.message, extra={"event": problem.event})
    seconds = round(time.monotonic() - began, 3)
    _LOGGER.info(
        "job ended", extra={"event": "JobEnded", "exit": code.name, "exit_code": int(code), "seconds": seconds}
    )
    return code


def termination_event() -> asyncio.Event:
    """Return an event that is set on SIGTERM or SIGINT."""
    terminated = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, terminated.set)
    return terminated


async def _execute(worker: HostedWorker, subject: RequestSubject) -> JobExit:
    delivery = await read_request(worker.broker, subject)
    if delivery is None:
        return JobExit.REQUEST_ABSENT
    outcome = await worker.submit(delivery)
    await _publish_spooled(worker)
    is_done = outcome in (DeliveryOutcome.PUBLISHED, DeliveryOutcome.CLAIMED_ELSEWHERE)
    return JobExit.DONE if is_done else JobExit.REQUEST_REFUSED


async def _publish_spooled(worker: HostedWorker) -> None:
    try:
        async with asyncio.timeout(_SPOOLED_S):
            await worker.publisher.publish_spooled()
    except TimeoutError:
        return
