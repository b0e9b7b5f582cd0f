"""Runs a step at intervals or until it succeeds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cognitive_operator.errors import CognitiveOperatorError, TransientError

Step = Callable[[], Awaitable[None]]
logger = logging.getLogger(__name__)


async def run_every(interval_s: float, step: Step, name: str) -> None:
    """Run a step at intervals until cancelled; a failure is logged, and the step runs again at the next interval."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            await step()
        except TransientError as error:
            logger.info("will try again", extra={"step": name, "cause": str(error)})
        except Exception:
            logger.exception("step failed", extra={"step": name})


async def run_until_done(pause_s: float, step: Step) -> None:
    """Run a step until it raises none of the operator's errors, with a pause after each failure."""
    while True:
        try:
            return await step()
        except CognitiveOperatorError as error:
            logger.info("waiting to start", extra={"cause": str(error)})
            await asyncio.sleep(pause_s)
