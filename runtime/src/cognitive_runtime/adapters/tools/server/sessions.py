"""Sessions of the MCP server, each with a directory from its first request to its end."""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from cognitive_runtime.adapters.tools.server.session import NEW_DIRECTORY, Session
from cognitive_runtime.adapters.tools.server.settings import ToolServerSettings
from cognitive_runtime.adapters.tools.server.storage import Storage

if TYPE_CHECKING:
    from mcp.server.connection import Connection

_LOGGER: Final = logging.getLogger(__name__)
_KEY: Final = "cognitive_runtime.session"
_LOCK: Final = "cognitive_runtime.lock"


class Sessions:
    """Sessions of the server. The library bounds their number, and ends those that are abandoned."""

    def __init__(self, settings: ToolServerSettings, storage: Storage) -> None:
        """Take the settings of the server and the folder of all sessions."""
        self._settings = settings
        self._storage = storage
        self._closing: set[asyncio.Task[None]] = set()

    async def of(self, connection: "Connection") -> Session:
        """Return the session of a connection. The first call makes it, and so does the first one after its end.

        Raises:
            ToolsUnavailable: The repository cannot be cloned.
            ToolFailed: The sessions have too many bytes.
        """
        async with connection.state.setdefault(_LOCK, asyncio.Lock()):
            found: Session | None = connection.state.get(_KEY)
            if found is None or found.has_ended:
                await self.wait_closed()  # their files count, too
                opened = await self._opened(connection)
                opened.notice = NEW_DIRECTORY if found else ""
                found = connection.state[_KEY] = opened
            return found

    async def wait_closed(self) -> None:
        """Wait until the files of all sessions that have ended are deleted."""
        if self._closing:
            await asyncio.wait(self._closing)

    async def _opened(self, connection: "Connection") -> Session:
        session = Session(self._settings, self._storage)
        try:
            await session.open()
        except BaseException:
            self._close(session)
            raise
        connection.exit_stack.callback(self._close, session)
        _LOGGER.info("session %s has begun", connection.session_id, extra={"event": "SessionBegun"})
        return session

    def _close(self, session: Session) -> None:
        """Begin to close a session. The library waits only a bounded time for the end of a connection."""
        closing = asyncio.create_task(session.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
