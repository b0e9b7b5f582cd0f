"""Job mode: one process executes one attempt."""

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
from cognitive_runtime.adapters.worker.ports import WorkerIdentity
from cognitive_runtime.bootstrap.hosted import HostedWorker, MakeReasoner, WorkerSpec
from cognitive_runtime.config import RuntimeSettings

_LOGGER: Final = logging.getLogger(__name__)
_LEFTOVERS_S: Final = 2.0
"""A job publishes what other jobs of its agent left on this node; it does not wait for them."""


class JobExit(IntEnum):
    """How the process of one attempt ends."""

    DONE = 0
    """Its response is in the stream, also one that says failed; or the attempt is another execution's."""
    BAD_CONFIGURATION = 2
    """A setting or the subject is wrong. Not by accident what argparse ends with."""
    REQUEST_ABSENT = 3
    """There is no such request: it was withdrawn, or it has expired."""
    REQUEST_REFUSED = 4
    """The request cannot be answered, or it asks for another mode."""
    NOT_PUBLISHED = 5
    """The process was told to end before the response was in the stream; it is in the spool, if the attempt began."""


async def run_attempt(
    settings: RuntimeSettings, subject: RequestSubject, make_reasoner: MakeReasoner, grace_s: float
) -> JobExit:
    """Execute the attempt whose request is on ``subject``, or end within the grace on SIGTERM."""
    began = time.monotonic()
    identity = WorkerIdentity(
        subject.namespace, subject.agent_uid, f"ct-{uuid4().hex[:8]}", settings.submission_id, "Job"
    )
    hosted = HostedWorker(WorkerSpec(identity), settings, make_reasoner)
    terminated = listen_for_end()
    await hosted.start()
    attempt = asyncio.create_task(_execute(hosted, subject))
    ending = asyncio.create_task(terminated.wait())
    await asyncio.wait({attempt, ending}, return_when=asyncio.FIRST_COMPLETED)
    await hosted.stop(grace_s)
    await cancel(attempt, ending)
    code = JobExit.NOT_PUBLISHED if attempt.cancelled() else attempt.result()
    seconds = round(time.monotonic() - began, 3)
    _LOGGER.info(
        "job ended", extra={"event": "JobEnded", "exit": code.name, "exit_code": int(code), "seconds": seconds}
    )
    return code


def listen_for_end() -> asyncio.Event:
    """Return what is set when the process is told to end."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told


async def _execute(hosted: HostedWorker, subject: RequestSubject) -> JobExit:
    delivery = await read_request(hosted.broker, subject)
    if delivery is None:
        return JobExit.REQUEST_ABSENT
    handling = await hosted.worker.submit(delivery)
    await _publish_spooled(hosted)
    return (
        JobExit.DONE
        if handling in (DeliveryOutcome.PUBLISHED, DeliveryOutcome.CLAIMED_ELSEWHERE)
        else JobExit.REQUEST_REFUSED
    )


async def _publish_spooled(hosted: HostedWorker) -> None:
    try:
        async with asyncio.timeout(_LEFTOVERS_S):
            await hosted.publisher.publish_spooled()
    except TimeoutError:
        return
