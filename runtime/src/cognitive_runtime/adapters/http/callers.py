"""Requires a caller's bearer token, which the API server of the cluster checks later."""

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from cognitive_runtime.adapters.http.bearer import Unauthorized

LOCAL_HOSTS: Final = ("127.0.0.1", "::1", "localhost")
_MISSING: Final = "send Authorization: Bearer <token>, with a token of the cluster's API server"


class ForeignPage(Exception):
    """A web page of another site sent a call without a token."""


def require_caller(*, allows_own: bool) -> Callable[..., Awaitable[None]]:
    """Return a dependency that refuses requests without a bearer token. The API server checks the token.

    Args:
        allows_own: Requests without a token pass. They have the server's own identity, so a web page of another site
            must not be able to send them.
    """
    scheme = HTTPBearer(auto_error=False, description="Token of the caller at the API server of the cluster.")

    async def check(
        request: Request,
        _: HTTPAuthorizationCredentials | None = Security(scheme),  # noqa: B008 - FastAPI's form
    ) -> None:
        token = optional_token(request)
        if token is None and not allows_own:
            raise Unauthorized(_MISSING)
        if token is None:
            _refuse_foreign_pages(request)
        request.state.token = token

    return check


def caller_token(request: Request) -> str | None:
    """Return the token of a request that passed ``require_caller``."""
    found: str | None = request.state.token
    return found


def optional_token(request: Request) -> str | None:
    """Return the bearer token of a request, None if it has no Authorization header.

    Raises:
        Unauthorized: The header has another form.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer" or not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Unauthorized(_MISSING)
    return token


def _refuse_foreign_pages(request: Request) -> None:
    """Refuse a page of another site, which its Origin shows, and of a name that resolves to this host."""
    origin = request.headers.get("origin")
    if request.url.hostname not in LOCAL_HOSTS or origin not in (None, f"{request.url.scheme}://{request.url.netloc}"):
        raise ForeignPage("a call from another site needs a bearer token")
