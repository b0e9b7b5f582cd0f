"""Watches of some namespaces, each of which fails and begins again by itself.

Kopf's own watches end together: the first one that the API server refuses ends Kopf. So Kopf runs the streams of
``watching``, with its lists, renewals and limits, and this module runs one of them for each namespace and kind.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, cast

import kopf
from kopf._cogs.clients.errors import APIForbiddenError, APINotFoundError
from kopf._cogs.clients.watching import Bookmark, infinite_watch
from kopf._cogs.structs.references import NamespaceName, Resource

from cognitive_operator.api.names import GROUP, VERSION, WATCHED_PLURALS
from cognitive_operator.handlers.registry import Engine, dispatch_event
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces

logger = logging.getLogger(__name__)
RETRY_S: Final = 2.0
"""Pause before a watch that ended begins again."""


async def watch_namespaces(engine: Engine, namespaces: WatchedNamespaces, settings: kopf.OperatorSettings) -> None:
    """Pass the events of all kinds in each namespace to the engine until cancelled; runs inside Kopf's operator."""
    async with asyncio.TaskGroup() as group:
        for name in namespaces.names:
            for plural in WATCHED_PLURALS:
                watch = NamespaceWatch(engine, namespaces, settings, name, plural)
                group.create_task(watch.run(), name=f"watch:{name}/{plural}")


class NamespaceWatch:
    """The watch of one kind in one namespace."""

    def __init__(
        self,
        engine: Engine,
        namespaces: WatchedNamespaces,
        settings: kopf.OperatorSettings,
        name: str,
        plural: str,
    ) -> None:
        self._engine = engine
        self._namespaces = namespaces
        self._settings = settings
        self._name = name
        self._resource = Resource(GROUP, VERSION, plural, namespaced=True)

    async def run(self) -> None:
        """Watch whenever the namespace is available, until cancelled."""
        while True:
            await self._namespaces.wait_available(self._name)
            try:
                await self._watch()
            except (APIForbiddenError, APINotFoundError) as error:
                self._namespaces.report_lost(
                    self._name, f"watch of {self._resource.plural}: {error.message or repr(error)}"
                )
            except Exception as error:
                cause = f"{type(error).__name__}: {error}"
                names = {"namespace": self._name, "kind": self._resource.plural, "cause": cause}
                logger.warning("restarting a watch", extra=names)
            await asyncio.sleep(RETRY_S)

    async def _watch(self) -> None:
        stream = infinite_watch(settings=self._settings, resource=self._resource, namespace=NamespaceName(self._name))
        async with aclosing(cast("AsyncGenerator[Bookmark | kopf.RawEvent]", stream)) as events:
            async for event in events:
                if not isinstance(event, Bookmark) and event["type"] != "BOOKMARK":
                    dispatch_event(self._engine, self._resource.plural, event)
