"""Execution of coroutines for synchronous callers."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class AsyncioExecutor:
    """Implements ``IAsyncExecutor`` with an event loop in this thread, or in a new thread if a loop runs here."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to completion and return its result. Blocks a running event loop of the caller."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(coroutine)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="asyncio-executor") as pool:
            return pool.submit(asyncio.run, coroutine).result()
