"""Types of the fixtures that start workers and executors."""

from collections.abc import Awaitable, Callable

from cognitive_runtime.bootstrap.hosted import HostedWorker

StartWorker = Callable[..., Awaitable[HostedWorker]]
"""Starts a worker of the test's agent: settings that differ from the defaults, by keyword."""
StartExecutor = Callable[..., Awaitable[str]]
"""Submits an executor of the test's agent with the given arguments, and returns the id of its Ray job."""
