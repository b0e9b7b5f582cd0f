"""Servers that are started when they are first needed."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Generic, TypeVar

T = TypeVar("T")


class LazyServer(Generic[T]):
    """Enters a context manager at the first call and returns its value at every call.

    A start that failed is not repeated: every later call raises the same error.
    """

    def __init__(self, start: Callable[[], AbstractContextManager[T]]) -> None:
        self._start = start
        self._stack = ExitStack()
        self._value: T | None = None
        self._error: Exception | None = None

    def __call__(self) -> T:
        """Return the value."""
        if self._error is not None:
            raise self._error
        if self._value is None:
            try:
                self._value = self._stack.enter_context(self._start())
            except Exception as error:
                self._error = error
                raise
        return self._value

    def close(self) -> None:
        """Leave the context manager, if it was entered."""
        self._value = None
        self._stack.close()
