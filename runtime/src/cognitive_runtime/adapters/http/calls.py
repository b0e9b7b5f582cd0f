"""Operations of the six task types."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from cognitive_runtime.adapters.http import bodies, results
from cognitive_runtime.adapters.http.disconnects import until_disconnect
from cognitive_runtime.adapters.http.events import MEDIA_TYPE, stream_answer, wants_events
from cognitive_runtime.adapters.http.reading import read_call
from cognitive_runtime.adapters.http.replies import result_reply
from cognitive_runtime.application.cognitive_calls import unknown_incident
from cognitive_runtime.domain import IAnswerer, Incidents, UnknownIncident


@dataclass(frozen=True)
class _Operation:
    path: str
    body: type[bodies.Body]
    result: type[results.Result]
    summary: str


_OPERATIONS: Final = (
    _Operation("reason-about-failure", bodies.ReasonAboutFailure, results.FailureAnalysisResult, "Analyse a failure"),
    _Operation("plan-task", bodies.PlanTask, results.TaskPlanningResult, "Plan a task"),
    _Operation("make-decision", bodies.MakeDecision, results.DecisionMakingResult, "Make a decision"),
    _Operation("solve-problem", bodies.SolveProblem, results.ProblemSolvingResult, "Solve a problem"),
    _Operation("synthesize-memory", bodies.SynthesizeMemory, results.MemorySynthesisResult, "Synthesize memory"),
    _Operation(
        "assess-capabilities", bodies.AssessCapabilities, results.CapabilityAssessmentResult, "Assess capabilities"
    ),
)
_FAILURES: Final = {
    400: "The body is not a JSON object.",
    401: "The token is missing or wrong.",
    403: "RBAC or an admission policy of the cluster refuses the call.",
    404: "The incident is not registered, or the agent does not exist.",
    409: "The API server refuses a change that conflicts with another.",
    410: "The task was deleted before it ended.",
    413: "The body is too large.",
    422: "A field is missing or invalid, or the input does not fit the model.",
    429: "The rate limit of the core or of the model is reached.",
    500: "The core failed.",
    502: "The model refused, or its answer is of no use.",
    503: "The model is not available.",
    504: "The model did not answer in time, or the task did not end in time.",
}
_SOMETIMES: Final = (401, 403, 404, 409, 410)
"""Failures that not every operation has."""


@dataclass(frozen=True)
class CallTargets:
    """Parts that answer a request, which may depend on its sender."""

    answers: Callable[[Request], IAnswerer]
    incidents: Callable[[Request], Awaitable[Incidents | None]]
    """Registry; None: callers send incident_context. It is asked for only if a call names a registered incident."""
    needs_token: bool
    statuses: tuple[int, ...] = ()
    """Status codes of failures beside those of a core in process."""
    documented: Mapping[type[bodies.Body], type[bodies.Body]] = field(default_factory=dict)
    """Bodies that the document shows in place of those that the calls are read as."""


def add_calls(router: APIRouter, targets: CallTargets) -> None:
    """Add the operations of the six task types."""
    for each in _OPERATIONS:
        router.add_api_route(
            f"/dspy/{each.path}",
            _endpoint(each, targets),
            methods=["POST"],
            summary=each.summary,
            description=_described(each),
            response_model=each.result,
            responses=_responses(each, targets),
            openapi_extra=request_body(targets.documented.get(each.body, each.body)),
            tags=["reasoning"],
            operation_id=each.path.replace("-", "_"),
        )


def request_body(model: type[bodies.Body]) -> dict[str, Any]:
    """Return the description of a body. A list may stand for its list field."""
    schema = model.model_json_schema()
    if model.list_field:
        schema = {"anyOf": [schema, schema["properties"][model.list_field]]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def failures(*codes: int, needs_token: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of failures with these status codes."""
    found: dict[int | str, dict[str, Any]] = {
        code: {"model": results.Failure, "description": _FAILURES[code]} for code in codes
    }
    if needs_token:
        found[401] = {"model": results.Failure, "description": _FAILURES[401]}
    return found


def _responses(operation: _Operation, targets: CallTargets) -> dict[int | str, dict[str, Any]]:
    has_incident = operation.body is bodies.ReasonAboutFailure
    codes = [code for code in _FAILURES if code not in _SOMETIMES or code in targets.statuses]
    codes += [404] if has_incident and 404 not in codes else []
    ok = {
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        "description": "The result, or the events piece and result.",
    }
    return {200: ok} | failures(*codes, needs_token=targets.needs_token)


def _described(operation: _Operation) -> str:
    return f"{operation.body.__doc__} Also accepted as query parameters: {', '.join(operation.body.query)}."


def _endpoint(operation: _Operation, targets: CallTargets) -> Callable[[Request], Awaitable[Response]]:
    async def call(request: Request) -> Response:
        body: Any = await read_call(request, operation.body)
        try:
            context = body.context(await targets.incidents(request) if body.needs_incident else None)
        except UnknownIncident as error:
            return result_reply(unknown_incident(body.agent_id, error, body.incident_id))
        answers = targets.answers(request)
        if wants_events(request.headers.get("accept", "")):
            return stream_answer(answers, context)
        return result_reply(await until_disconnect(request, answers.answer(context)))

    return call
