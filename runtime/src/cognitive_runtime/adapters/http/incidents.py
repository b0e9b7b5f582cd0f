"""Registration of incidents."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cognitive_runtime.adapters.http.calls import failures
from cognitive_runtime.adapters.http.reading import InvalidBody, UnreadableBody, read_json
from cognitive_runtime.adapters.http.replies import Reply
from cognitive_runtime.adapters.http.results import Registered
from cognitive_runtime.domain import Incidents, InvalidIncident

_SALIENCE: Final = {
    "name": "salience_score",
    "in": "query",
    "required": False,
    "description": "Salience of the incident, 0 to 1.",
    "schema": {"type": "number", "minimum": 0, "maximum": 1},
}
_BODY: Final = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "minProperties": 1,
                "properties": {"incident_id": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": r"\S"}},
            }
        }
    },
}


def add_incidents(
    router: APIRouter, incidents: Callable[[Request], Awaitable[Incidents]], *, needs_token: bool
) -> None:
    """Add the operation that registers an incident in the registry for a request."""

    async def register(request: Request) -> Response:
        """Register an incident for an analysis by its id. The registry is bounded: the oldest incident is dropped."""
        content, salience = await read_json(request), _salience(request)
        if not isinstance(content, dict):
            raise UnreadableBody("the incident must be a JSON object")
        registry = await incidents(request)
        try:
            identity = registry.log_incident(content, salience)
        except InvalidIncident as error:
            raise InvalidBody([{"field": "incident", "problem": str(error)}]) from None
        return Reply({"success": True, "incident_id": identity}, 201)

    extra: dict[str, Any] = {"requestBody": _BODY, "parameters": [_SALIENCE]}
    router.add_api_route(
        "/mfb/incidents",
        register,
        methods=["POST"],
        status_code=201,
        response_model=Registered,
        responses=failures(400, 413, 422, needs_token=needs_token),
        openapi_extra=extra,
        tags=["incidents"],
        operation_id="register_incident",
    )


def _salience(request: Request) -> float | None:
    given = request.query_params.get("salience_score")
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        raise InvalidBody([{"field": "salience_score", "problem": f"{given[:32]!r} is not a number"}]) from None
