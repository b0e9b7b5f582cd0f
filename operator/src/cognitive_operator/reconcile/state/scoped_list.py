"""Complete lists, by scope: all namespaces at once, or each watched namespace by itself."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cognitive_operator.errors import ForbiddenError, KindAbsentError
from cognitive_operator.ports.kube import Body, Resources
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.owners import ALL_NAMESPACES

Listed = TypeVar("Listed")


class ScopedLists(Generic[Listed]):
    """Lists scopes one after another; a refused list marks its namespace as lost and does not stop the others.

    Args:
        namespaces: Availability of each namespace. A refused list marks its namespace as lost.
        list_scope: Lists one scope.
    """

    def __init__(self, namespaces: WatchedNamespaces, list_scope: Callable[[str], Awaitable[Listed]]) -> None:
        self._namespaces = namespaces
        self._list_scope = list_scope

    async def all(self, scopes: Sequence[str]) -> list[Listed]:
        """List each scope; return the lists of those that are not lost.

        Raises:
            ForbiddenError, KindAbsentError: A list of all namespaces at once is refused. The caller should retry.
            ApiUnavailableError: A part of a list cannot be read. The caller should retry.
        """
        return [listed for scope in scopes if (listed := await self.one(scope)) is not None]

    async def one(self, scope: str) -> Listed | None:
        """List one scope; return None if its namespace is lost. Raises the errors of ``all``."""
        if self._namespaces.is_lost(scope):
            return None
        try:
            return await self._list_scope(scope)
        except (ForbiddenError, KindAbsentError) as error:
            if scope == ALL_NAMESPACES:
                raise
            self._namespaces.report_lost(scope, str(error))
            return None


@dataclass(frozen=True)
class KindStore:
    """Access to the stored objects of one kind."""

    plural: str
    all: Callable[[], Iterable[Body]]
    """Returns all stored objects."""
    upsert: Callable[[Body], None]
    delete: Callable[[Body], None]


class KindLists:
    """Keeps the stored objects of one kind equal to complete lists.

    Args:
        resources: Lists objects.
        namespaces: Availability of each namespace.
        store: The stored objects.
    """

    def __init__(self, resources: Resources, namespaces: WatchedNamespaces, store: KindStore) -> None:
        self._resources = resources
        self._namespaces = namespaces
        self._store = store
        self._lists = ScopedLists(namespaces, self._list_scope)
        self._is_due = asyncio.Event()

    async def relist(self) -> None:
        """Store all objects and delete those that no longer exist, except in lost namespaces.

        Raises:
            CognitiveOperatorError: The errors of ``ScopedLists.all``. The caller should retry.
        """
        self._is_due.clear()
        await self._lists.all(self._resources.scopes)

    def on_namespace(self, name: str) -> None:
        """End a wait if a namespace was found: its objects are not listed yet."""
        if not self._namespaces.is_lost(name):
            self._is_due.set()

    async def wait(self, delay_s: float) -> None:
        """Wait until the next list is due: after ``delay_s``, or earlier if a namespace is found."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._is_due.wait()

    async def _list_scope(self, scope: str) -> None:
        stored = [body for body in self._store.all() if scope in (ALL_NAMESPACES, body["metadata"]["namespace"])]
        listed: set[str] = set()
        async for body in self._resources.list(self._store.plural, scope):
            listed.add(body["metadata"]["uid"])
            self._store.upsert(body)
        for body in stored:
            if body["metadata"]["uid"] not in listed:
                self._store.delete(body)
