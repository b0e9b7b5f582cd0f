"""The end of aiohttp's servers."""

import asyncio

from aiohttp import web

ACCEPTING_TURNS = 3
"""Turns of the event loop in which a connection that was accepted before becomes one of the server's."""


async def close_runner(runner: web.BaseRunner) -> None:
    """Stop to listen, and then close all connections, also those that were accepted at the last moment."""
    for site in list(runner.sites):
        await site.stop()
    for _ in range(ACCEPTING_TURNS):
        await asyncio.sleep(0)
    await runner.cleanup()
