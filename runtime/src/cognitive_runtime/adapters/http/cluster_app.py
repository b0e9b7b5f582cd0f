"""FastAPI application of a cluster: each call is a CognitiveTask of its caller."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from cognitive_runtime.adapters.http.app import add_failures, closing
from cognitive_runtime.adapters.http.callers import caller_token, optional_token, require_caller
from cognitive_runtime.adapters.http.calls import CallTargets, add_calls, failures
from cognitive_runtime.adapters.http.cluster_bodies import DOCUMENTED, Incident
from cognitive_runtime.adapters.http.incidents import IncidentTargets, add_incidents
from cognitive_runtime.adapters.http.replies import Reply
from cognitive_runtime.adapters.http.results import AgentHealth, ClusterStatus, Failure, ServerHealth
from cognitive_runtime.domain import IAnswerer, Incidents

_DESCRIPTION: Final = (
    "Reasoning of the agents of a cluster: one operation for each task type. Each call creates a CognitiveTask with "
    "the caller's bearer token at the API server, whose rules decide. The reply has the result and the task's name."
)
_STATUSES: Final = (403, 404, 409, 410)
"""Status codes of failures of a call beside those of a core in process."""
_READ_STATUSES: Final = (401, 403, 404, 422, 429, 503)
"""Status codes with which the API server refuses a read."""


@dataclass(frozen=True)
class ClusterApi:
    """Parts behind the API. Each takes the caller's bearer token; None: the server's own identity."""

    answers: Callable[[str | None], IAnswerer]
    incidents: Callable[[str | None], Awaitable[Incidents]]
    health: Callable[[str | None, str | None], Awaitable[dict[str, Any]]]
    """Health of the agent that ``agent_id`` names, or of the server's."""
    status: Callable[[str | None, str | None], Awaitable[dict[str, Any]]]
    server_health: Callable[[], dict[str, Any]]
    close: Callable[[], Awaitable[None]]
    """Called at shutdown."""
    allows_own: bool = False
    """Calls without a token use the server's own identity. For local use."""


def create_cluster_app(api: ClusterApi) -> FastAPI:
    """Return the application."""
    app = FastAPI(
        title="SeedCore cognitive cluster",
        description=_DESCRIPTION,
        version=version("cognitive-runtime"),
        lifespan=closing(api.close),
    )
    _add_health(app, api)
    guarded = APIRouter(dependencies=[Depends(require_caller(allows_own=api.allows_own))])
    _add_status(guarded, api)
    add_calls(guarded, _targets(api))
    add_incidents(guarded, IncidentTargets(_registries(api), True, _READ_STATUSES, Incident))
    app.include_router(guarded)
    add_failures(app)
    return app


def _registries(api: ClusterApi) -> Callable[[Request], Awaitable[Incidents]]:
    async def incidents(request: Request) -> Incidents:
        return await api.incidents(caller_token(request))

    return incidents


def _targets(api: ClusterApi) -> CallTargets:
    def answers(request: Request) -> IAnswerer:
        return api.answers(caller_token(request))

    return CallTargets(answers, _registries(api), True, _STATUSES, DOCUMENTED)


def _add_health(app: FastAPI, api: ClusterApi) -> None:
    async def health() -> Response:
        """Tell that this server runs."""
        return Reply(api.server_health())

    async def agent_health(request: Request, agent_id: str | None = None) -> Response:
        """Tell that the agent is Ready. Without a token, the server's own identity reads the agent of all calls."""
        found = await api.health(optional_token(request), agent_id)
        return Reply(found, 200 if found["status"] == "healthy" else 503)

    unhealthy = {"model": AgentHealth | Failure, "description": "The agent is not Ready, or cannot be read."}
    responses = failures(*_READ_STATUSES) | {503: unhealthy}
    app.add_api_route("/health", health, response_model=ServerHealth, tags=["health"], operation_id="health")
    app.add_api_route(
        "/cognitive/health",
        agent_health,
        response_model=AgentHealth,
        responses=responses,
        tags=["health"],
        operation_id="cognitive_health",
    )


def _add_status(router: APIRouter, api: ClusterApi) -> None:
    async def status(request: Request, agent_id: str | None = None) -> Response:
        """Tell which agent answers the calls, and that it is Ready."""
        return Reply(await api.status(caller_token(request), agent_id))

    router.add_api_route(
        "/dspy/status",
        status,
        response_model=ClusterStatus,
        responses=failures(*_READ_STATUSES),
        tags=["health"],
        operation_id="dspy_status",
    )
