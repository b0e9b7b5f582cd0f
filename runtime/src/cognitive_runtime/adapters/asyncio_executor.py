"""Runs asynchronous code for synchronous callers."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class AsyncioExecutor:
    """Implements ``IAsyncExecutor``: by a loop in this thread, or in a fresh one where a loop runs already."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to completion and return the result; a running loop of the caller's is blocked meanwhile."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(coroutine)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="asyncio-executor") as pool:
            return pool.submit(asyncio.run, coroutine).result()
