"""Job mode: a process that executes one attempt."""

import asyncio
import logging
import signal
import time
from enum import IntEnum
from typing import Final
from uuid import uuid4

from cognitive_runtime.adapters.cancellation import cancel
from cognitive_runtime.adapters.nats.direct import read_request
from cognitive_runtime.adapters.nats.subjects import RequestSubject
from cognitive_runtime.adapters.worker.attempt_runner import DeliveryOutcome
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.bootstrap.hosted import HostedWorker, MakeReasoner
from cognitive_runtime.config import RuntimeSettings

_LOGGER: Final = logging.getLogger(__name__)
_SPOOLED_S: Final = 2.0
"""Time for publishing responses that earlier jobs of the agent left in the spool of this node."""


class JobExit(IntEnum):
    """Exit status of the process of one attempt."""

    DONE = 0
    """The response, completed or failed, is in the stream; or another execution has claimed the attempt."""
    BAD_CONFIGURATION = 2
    """A setting or the subject is invalid. Equals the exit status of argparse."""
    REQUEST_ABSENT = 3
    """The request does not exist: it was withdrawn or has expired."""
    REQUEST_REFUSED = 4
    """The request cannot be answered, or is for another mode."""
    NOT_PUBLISHED = 5
    """The process was told to end before the response was in the stream. An attempt that had begun is in the spool."""


async def run_attempt(
    settings: RuntimeSettings, subject: RequestSubject, make_reasoner: MakeReasoner, grace_s: float
) -> JobExit:
    """Execute the attempt requested on ``subject``. On SIGTERM, end within the grace period."""
    began = time.monotonic()
    identity = WorkerIdentity(
        subject.namespace, subject.agent_uid, f"ct-{uuid4().hex[:8]}", settings.submission_id, "Job"
    )
    worker = HostedWorker(WorkerSpec(identity), settings, make_reasoner)
    terminated = termination_event()
    await worker.start()
    attempt = asyncio.create_task(_execute(worker, subject))
    ending = asyncio.create_task(terminated.wait())
    await asyncio.wait({attempt, ending}, return_when=asyncio.FIRST_COMPLETED)
    await worker.stop(grace_s)
    await cancel(attempt, ending)
    code = JobExit.NOT_PUBLISHED if attempt.cancelled() else attempt.result()
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
