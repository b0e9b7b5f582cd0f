"""Bearer token of the HTTP API."""

import hmac
from collections.abc import Awaitable, Callable

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer


class Unauthorized(Exception):
    """The request has no token or a wrong one."""


def require_token(token: str) -> Callable[..., Awaitable[None]]:
    """Return a dependency that refuses requests without the token. The comparison takes constant time."""
    expected = token.encode()
    scheme = HTTPBearer(auto_error=False, description="Token of the API.")

    async def check(given: HTTPAuthorizationCredentials | None = Security(scheme)) -> None:  # noqa: B008 - FastAPI's form
        found = given.credentials.encode("utf-8", "replace") if given else b""
        if not hmac.compare_digest(found, expected):
            raise Unauthorized("the bearer token is missing or wrong; send Authorization: Bearer <token>")

    return check
