"""Checks of MCP servers by plain JSON-RPC over streamable HTTP (port ``ToolProbe``).

Source: the Model Context Protocol, revision 2025-06-18, transport "streamable HTTP".
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from cognitive_operator.adapters.http_client import HttpClient, HttpError, HttpRequest, HttpResponse, redacted
from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.names import MANAGER
from cognitive_operator.ports.tools import ToolProbeResult

PROTOCOL_VERSION: Final = "2025-06-18"
MAX_BYTES: Final = 1024 * 1024
MAX_TOOLS: Final = 1000
MAX_PAGES: Final = 16
_END_TIMEOUT_S: Final = 1.0
_SESSION: Final = "Mcp-Session-Id"
_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_INITIALIZE: Final = {
    "protocolVersion": PROTOCOL_VERSION,
    "capabilities": {},
    "clientInfo": {"name": MANAGER, "version": "1"},
}


class _InvalidAnswerError(Exception):
    """The server's answer is not that of an MCP server; the message has no text of the server."""


class HttpToolProbe:
    """Opens a session, lists the tools and ends the session; never raises, and no message contains the token."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def check(self, url: str, token: str | None, timeout_s: float) -> ToolProbeResult:
        """Return the tools of the MCP server at a URL; ``timeout_s`` limits all requests together."""
        session = _Session(self._http, url, token, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                return await session.tools()
        except TimeoutError:
            message = f"{redacted(url)}: no answer within {timeout_s:g} s"
            return ToolProbeResult(ok=False, reason=Reason.TOOL_SERVER_UNREACHABLE, message=message)
        except HttpError as error:
            return ToolProbeResult(ok=False, reason=Reason.TOOL_SERVER_UNREACHABLE, message=str(error))
        except _InvalidAnswerError as error:
            message = f"{redacted(url)}: {error}"
            return ToolProbeResult(ok=False, reason=Reason.TOOL_SERVER_INVALID, message=message)


class _Session:
    """One session with a server."""

    def __init__(self, http: HttpClient, url: str, token: str | None, timeout_s: float) -> None:
        self._http = http
        self._url = url
        self._timeout_s = timeout_s
        self._has_token = token is not None
        self._headers = {"Accept": "application/json, text/event-stream"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    async def tools(self) -> ToolProbeResult:
        """Return the server's tools, or that it refuses the token."""
        answer = await self._send(_call(1, "initialize", _INITIALIZE))
        if answer.status in (401, 403):
            found = "the token" if self._has_token else "a request without a token"
            message = f"{redacted(self._url)} rejects {found}: HTTP {answer.status}"
            return ToolProbeResult(ok=False, reason=Reason.CREDENTIALS_REJECTED, message=message)
        version = _result(answer, 1, "initialize").get("protocolVersion")
        if session := answer.headers.get(_SESSION):
            self._headers[_SESSION] = session
        if isinstance(version, str):
            self._headers["MCP-Protocol-Version"] = version
        try:
            await self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            names = await self._names()
        finally:
            await self._end()
        message = f"{redacted(self._url)} lists {len(names)} tools"
        return ToolProbeResult(ok=True, reason=Reason.AVAILABLE, message=message, tools=names)

    async def _names(self) -> list[str]:
        found: list[str] = []
        params: dict[str, Any] = {}
        for page in range(MAX_PAGES):
            result = _result(await self._send(_call(2 + page, "tools/list", params)), 2 + page, "tools/list")
            found += _names(result)
            if not isinstance(result.get("nextCursor"), str):
                break
            params = {"cursor": result["nextCursor"]}
        return found

    async def _end(self) -> None:
        """End the session, so that a server does not keep one for each check; servers may refuse that."""
        if _SESSION in self._headers:
            with contextlib.suppress(HttpError):
                await self._http.send(
                    HttpRequest("DELETE", self._url, _END_TIMEOUT_S, MAX_BYTES, headers=self._headers)
                )

    async def _send(self, body: Mapping[str, Any]) -> HttpResponse:
        return await self._http.send(
            HttpRequest("POST", self._url, self._timeout_s, MAX_BYTES, body=body, headers=self._headers)
        )


def _call(number: int, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def _result(answer: HttpResponse, number: int, method: str) -> Mapping[str, Any]:
    """Return the result of a call, from JSON or from a stream of events."""
    if answer.status != 200:
        raise _InvalidAnswerError(f"HTTP {answer.status} to {method}, expected 200")
    for message in _messages(answer):
        if isinstance(message, dict) and message.get("id") == number:
            if isinstance(message.get("result"), dict):
                found: Mapping[str, Any] = message["result"]
                return found
            raise _InvalidAnswerError(f"a JSON-RPC error to {method}")
    raise _InvalidAnswerError(f"no JSON-RPC response to {method}")


def _messages(answer: HttpResponse) -> list[Any]:
    if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
        return [answer.json]
    found = []
    for event in re.split(r"\r?\n\r?\n", answer.content.decode("utf-8", "replace")):
        lines = [line[5:].removeprefix(" ") for line in event.splitlines() if line.startswith("data:")]
        with contextlib.suppress(ValueError, RecursionError):
            found.append(json.loads("\n".join(lines)))
    return found


def _names(result: Mapping[str, Any]) -> list[str]:
    """Return the names of tools; the executor, not this check, refuses tools with other names."""
    listed = result.get("tools")
    if not isinstance(listed, list):
        raise _InvalidAnswerError("no list of tools in the result of tools/list")
    names = (each.get("name") for each in listed[:MAX_TOOLS] if isinstance(each, dict))
    return [name for name in names if isinstance(name, str) and _TOOL_NAME.fullmatch(name)]
