"""HTTP client of the Kubernetes API: JSON bodies, and errors of the operator's own."""

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from cognitive_operator.adapters.kube.access import KubeAccess
from cognitive_operator.adapters.ongoing_errors import describe
from cognitive_operator.api.names import MANAGER
from cognitive_operator.errors import (
    ApiUnavailableError,
    CognitiveOperatorError,
    ConflictError,
    ForbiddenError,
    KindAbsentError,
    ObjectInvalidError,
    ObjectNotFoundError,
)
from cognitive_operator.ports.kube import Body

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
JSON: Final = "application/json"
CONNECTIONS: Final = 64
_HTTP_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")


@dataclass(frozen=True)
class _Answer:
    status: int
    retry_after: str | None
    content: bytes
    date: str | None


def _ignore(_method: str, _code: int) -> None:
    """Do nothing with an answer."""


class KubeClient:
    """A pool of connections to the API server; every request is bounded by ``timeout_s``.

    ``on_answer`` is called with the method and the HTTP code of each answer, 0 when there was none.
    """

    def __init__(
        self, access: KubeAccess, timeout_s: float = 10.0, on_answer: Callable[[str, int], None] | None = None
    ) -> None:
        self._access = access
        self._on_answer = on_answer or _ignore
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._dated: tuple[str, float] | None = None
        """Date header of the last answer, and monotonic seconds of its arrival."""
        self.answered_s = -math.inf
        """Monotonic seconds of the last answer below 500: others may come from a proxy before the API server."""

    def server_time(self) -> float | None:
        """Return the API server's clock in seconds since 1970, never ahead of it; None before the first answer."""
        if self._dated is None:
            return None
        date, arrived_s = self._dated
        return parsedate_to_datetime(date).timestamp() + time.monotonic() - arrived_s

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._access.tls)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str) -> Body | None:
        """Return an object, None if it does not exist. Raises as ``request`` does."""
        try:
            return await self.request("GET", path)
        except ObjectNotFoundError:
            return None

    async def request(
        self, method: str, path: str, body: Body | list[Body] | None = None, content_type: str = JSON
    ) -> Body:
        """Send a request and return the object in the answer.

        Raises:
            ApiUnavailableError: No answer in time, or 401, 429 or 5xx; retry.
            KindAbsentError: The kind is not served.
            ConflictError: 409. ForbiddenError: 403. ObjectNotFoundError: the object does not exist.
            ObjectInvalidError: another 4xx.
        """
        answer = await self._answer(method, path, body, content_type)
        content = _parsed(answer.content)
        if content is None:
            raise ApiUnavailableError(f"{method} {path}: the answer is not a JSON object")
        return content

    async def probe(self, path: str) -> None:
        """Send a GET request whose answer may be empty, as that of a short watch. Raises as ``request`` does."""
        await self._answer("GET", path, None, JSON)

    async def _answer(self, method: str, path: str, body: Body | list[Body] | None, content_type: str) -> _Answer:
        try:
            answer = await self._send(method, path, body, content_type)
        except (aiohttp.ClientError, OSError) as error:
            self._on_answer(method, 0)
            raise ApiUnavailableError(f"{method} {path}: {describe(error)}") from error
        self._on_answer(method, answer.status)
        self._record_date(answer.date)
        if answer.status < 500:
            self.answered_s = time.monotonic()
        if answer.status >= 300:
            raise _error_of(f"{method} {path}", answer, _parsed(answer.content))
        return answer

    def _record_date(self, date: str | None) -> None:
        if date is not None and _HTTP_DATE.fullmatch(date):
            self._dated = (date, time.monotonic())

    async def _send(self, method: str, path: str, body: Body | list[Body] | None, content_type: str) -> _Answer:
        assert self._session is not None, "enter the client first"
        headers = {"Accept": JSON, "User-Agent": MANAGER}
        if body is not None:
            headers["Content-Type"] = content_type
        if authorization := self._access.authorization():
            headers["Authorization"] = authorization
        async with self._session.request(
            method,
            f"{self._access.server}{path}",
            data=json.dumps(body).encode() if body is not None else None,
            headers=headers,
            allow_redirects=False,
            server_hostname=self._access.server_hostname,
            proxy=self._access.proxy,
        ) as response:
            found = response.headers
            return _Answer(response.status, found.get("Retry-After"), await response.read(), found.get("Date"))


def _parsed(content: bytes) -> Body | None:
    try:
        parsed: Any = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _error_of(call: str, answer: _Answer, status: Mapping[str, Any] | None) -> CognitiveOperatorError:
    text = str((status or {}).get("message") or answer.content[:200].decode("utf-8", "replace"))
    message = f"{call}: {answer.status} {text}"
    if answer.status == 404:
        return ObjectNotFoundError(message) if _names_an_object(status) else KindAbsentError(message)
    if answer.status in (401, 429) or answer.status >= 500:
        return ApiUnavailableError(message, _seconds(answer.retry_after))
    return {403: ForbiddenError, 409: ConflictError}.get(answer.status, ObjectInvalidError)(message)


def _names_an_object(status: Mapping[str, Any] | None) -> bool:
    """Return True for an object that does not exist, False for a kind that the API server does not serve."""
    return bool(((status or {}).get("details") or {}).get("name"))


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdigit() else None
