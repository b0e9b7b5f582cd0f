"""Registration of incidents."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from cognitive_runtime.adapters.http.calls import failures
from cognitive_runtime.adapters.http.reading import InvalidBody, UnreadableBody, checked, read_json
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
_IDENTITY: Final = {"type": "string", "minLength": 1, "maxLength": 253, "pattern": r"\S"}


@dataclass(frozen=True)
class IncidentTargets:
    """Registries, and the failures and rules that depend on them."""

    incidents: Callable[[Request], Awaitable[Incidents]]
    """Return the registry for a request."""
    needs_token: bool
    statuses: tuple[int, ...] = ()
    """Status codes of further failures, with which ``incidents`` may refuse."""
    form: type[BaseModel] | None = None
    """Form that an incident must have beside the rules of the registry; None: any."""


def add_incidents(router: APIRouter, targets: IncidentTargets) -> None:
    """Add the operation that registers an incident in the registry for a request."""
    extra: dict[str, Any] = {"requestBody": _request_body(targets.form), "parameters": [_SALIENCE]}
    router.add_api_route(
        "/mfb/incidents",
        _endpoint(targets),
        methods=["POST"],
        status_code=201,
        response_model=Registered,
        responses=failures(400, 413, 422, *targets.statuses, needs_token=targets.needs_token),
        openapi_extra=extra,
        tags=["incidents"],
        operation_id="register_incident",
    )


def _endpoint(targets: IncidentTargets) -> Callable[[Request], Awaitable[Response]]:
    async def register(request: Request) -> Response:
        """Register an incident for an analysis by its id. The registry is bounded: the oldest incident is dropped."""
        content, salience = await read_json(request), _salience(request)
        if not isinstance(content, dict):
            raise UnreadableBody("the incident must be a JSON object")
        if targets.form is not None:
            checked(content, targets.form)
        registry = await targets.incidents(request)
        try:
            identity = registry.log_incident(content, salience)
        except InvalidIncident as error:
            raise InvalidBody([{"field": "incident", "problem": str(error)}]) from None
        return Reply({"success": True, "incident_id": identity}, 201)

    return register


def _request_body(form: type[BaseModel] | None) -> dict[str, Any]:
    more = {} if form is None else form.model_json_schema()
    properties = {**more.get("properties", {}), "incident_id": _IDENTITY}
    schema = {**more, "type": "object", "minProperties": 1, "properties": properties}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _salience(request: Request) -> float | None:
    given = request.query_params.get("salience_score")
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        raise InvalidBody([{"field": "salience_score", "problem": f"{given[:32]!r} is not a number"}]) from None
