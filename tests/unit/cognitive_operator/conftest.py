"""The tests run on uvloop, as the operator does."""

from support.event_loops import uvloop_only

pytest_asyncio_loop_factories = uvloop_only
