"""FastAPI application of a cognitive core."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cognitive_runtime.adapters.http.bearer import Unauthorized, require_token
from cognitive_runtime.adapters.http.callers import ForeignPage
from cognitive_runtime.adapters.http.calls import CallTargets, add_calls, failures
from cognitive_runtime.adapters.http.disconnects import ClientGone
from cognitive_runtime.adapters.http.incidents import IncidentTargets, add_incidents
from cognitive_runtime.adapters.http.reading import BodyTooLarge, InvalidBody, UnreadableBody
from cognitive_runtime.adapters.http.replies import Reply, failure_reply, result_reply
from cognitive_runtime.adapters.http.results import Health, Status
from cognitive_runtime.domain import IAnswerer, IModelHealth, Incidents
from cognitive_runtime.domain.call_refused import CallRefused

_DESCRIPTION: Final = (
    "Reasoning of a cognitive core: one operation for each task type. Texts of a body, such as agent_id, may also come "
    "as query parameters. With Accept: text/event-stream an operation streams the model's answer and ends with the "
    "event result."
)
_CLIENT_CLOSED: Final = 499
"""Status code of a call whose client went away. Source: nginx. Only logs show it."""
_NAMES: Final = {404: "NotFound", 405: "MethodNotAllowed"}
_MESSAGES: Final = {
    404: "the API has no such path; /docs and /openapi.json list the operations",
    405: "the path has no such method; the header Allow names the right one",
}


@dataclass(frozen=True)
class HttpApi:
    """Parts behind the API."""

    answers: IAnswerer
    health: IModelHealth
    status: Callable[[], Awaitable[dict[str, Any]]]
    incidents: Incidents | None = None
    """Registry of this process; None where replicas have no common one: callers then send incident_context."""
    token: str | None = None
    """Bearer token of the calls; None: no token is needed. Health and documentation never need one."""
    close: Callable[[], Awaitable[None]] | None = None
    """Called at shutdown."""


def create_app(api: HttpApi) -> FastAPI:
    """Return the application."""
    app = FastAPI(
        title="SeedCore cognitive core",
        description=_DESCRIPTION,
        version=version("cognitive-runtime"),
        lifespan=closing(api.close),
    )
    _add_health(app, api)
    guarded = APIRouter(dependencies=[Depends(require_token(api.token))] if api.token else [])
    _add_status(guarded, api)
    _add_calls(guarded, api)
    app.include_router(guarded)
    add_failures(app)
    return app


def closing(close: Callable[[], Awaitable[None]] | None) -> Callable[[FastAPI], Any]:
    """Return the lifespan of an application that calls ``close`` at its end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if close is not None:
            await close()

    return lifespan


def _add_health(app: FastAPI, api: HttpApi) -> None:
    async def health() -> Response:
        """Tell by a short question that the model answers. A finding is used for 30 seconds."""
        found = await api.health.check()
        return Reply(found, 200 if found["status"] == "healthy" else 503)

    responses: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "The model does not answer."}}
    for path, name in (("/health", "health"), ("/cognitive/health", "cognitive_health")):
        app.add_api_route(
            path,
            health,
            methods=["GET"],
            response_model=Health,
            responses=responses,
            tags=["health"],
            operation_id=name,
        )


def _add_status(router: APIRouter, api: HttpApi) -> None:
    async def status() -> Response:
        """Tell which parts are available."""
        return Reply(await api.status())

    router.add_api_route(
        "/dspy/status",
        status,
        methods=["GET"],
        response_model=Status,
        responses=failures(needs_token=api.token is not None),
        tags=["health"],
        operation_id="dspy_status",
    )


def _add_calls(router: APIRouter, api: HttpApi) -> None:
    registry, needs_token = api.incidents, api.token is not None

    async def incidents(_: Request) -> Incidents | None:
        return registry

    add_calls(router, CallTargets(lambda _: api.answers, incidents, needs_token))
    if registry is not None:

        async def registered(_: Request) -> Incidents:
            return registry

        add_incidents(router, IncidentTargets(registered, needs_token))


def add_failures(app: FastAPI) -> None:
    """Give every failure the form of a failed result."""
    forms: dict[type[Exception], Callable[[Any], Reply]] = {
        Unauthorized: lambda error: failure_reply(401, "Unauthorized", str(error), {"WWW-Authenticate": "Bearer"}),
        ForeignPage: lambda error: failure_reply(403, "Forbidden", str(error)),
        UnreadableBody: lambda error: failure_reply(400, "InvalidRequest", str(error)),
        BodyTooLarge: lambda error: failure_reply(413, "BodyTooLarge", str(error), {"Connection": "close"}),
        InvalidBody: lambda error: failure_reply(422, "InvalidRequest", str(error), detail=error.fields),
        CallRefused: lambda error: result_reply(error.result()),
        ClientGone: lambda _: failure_reply(_CLIENT_CLOSED, "Cancelled", "the client went away"),
        HTTPException: _http_failure,
        Exception: lambda error: failure_reply(500, "InternalError", f"{type(error).__name__} in the HTTP API"),
    }
    for kind, form in forms.items():
        app.add_exception_handler(kind, _handler(form))


def _handler(form: Callable[[Any], Reply]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(_: Request, error: Exception) -> Response:
        return form(error)

    return handle


def _http_failure(error: HTTPException) -> Reply:
    message = _MESSAGES.get(error.status_code, str(error.detail))
    return failure_reply(error.status_code, _NAMES.get(error.status_code, "HTTPError"), message, error.headers)
