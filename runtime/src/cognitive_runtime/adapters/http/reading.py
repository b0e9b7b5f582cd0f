"""Reading of a request: a bounded JSON body and query parameters."""

from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import Request

from cognitive_runtime.adapters.http.bodies import Body

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of a body. The input of a task in a cluster is smaller."""
_MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a body that is too large which are read and dropped, so that its sender can read the reply."""
B = TypeVar("B", bound=Body)
M = TypeVar("M", bound=BaseModel)


class UnreadableBody(Exception):
    """The body is no JSON object."""


class BodyTooLarge(Exception):
    """The body has more than MAX_BODY_BYTES."""


class InvalidBody(Exception):
    """A field of the body is missing or invalid.

    Attributes:
        fields: Place and problem of each, without its value.
    """

    def __init__(self, fields: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{each['field']}: {each['problem']}" for each in fields))
        self.fields = fields


async def read_call(request: Request, model: type[B]) -> B:
    """Return the body of a call, with the texts that query parameters give.

    Raises:
        UnreadableBody: The body is not JSON, or no object.
        BodyTooLarge: The body is too large.
        InvalidBody: A field is missing or invalid.
    """
    found = await read_json(request)
    if isinstance(found, list) and model.list_field:
        found = {model.list_field: found}
    if not isinstance(found, dict):
        raise UnreadableBody("the body must be a JSON object")
    for name in model.query:
        given = request.query_params.get(name)
        if given is not None and found.setdefault(name, given) != given:
            raise InvalidBody([{"field": name, "problem": "the body and the query parameter differ; give one of them"}])
    return checked(found, model)


def checked(found: dict[str, Any], model: type[M]) -> M:
    """Return a JSON object as its model.

    Raises:
        InvalidBody: A field is missing or invalid.
    """
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise InvalidBody([_problem(each) for each in error.errors(include_url=False, include_input=False)]) from None


async def read_json(request: Request) -> Any:
    """Return the JSON value of a body, and an empty object for no body.

    Raises:
        UnreadableBody: The body is not JSON.
        BodyTooLarge: The body is too large.
    """
    content = await _read(request)
    if not content.strip():
        return {}
    try:
        return from_json(content, allow_inf_nan=False)
    except (ValueError, RecursionError):
        raise UnreadableBody("the body is not JSON; send a JSON object with Content-Type: application/json") from None


async def _read(request: Request) -> bytes:
    content, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MAX_DISCARDED_BYTES:
            break
        if size <= MAX_BODY_BYTES:
            content += chunk
        else:
            content.clear()
    if size > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the body has more than {MAX_BODY_BYTES} bytes; shorten the input")
    return bytes(content)


def _problem(error: Any) -> dict[str, str]:
    place = ".".join(str(each) for each in error["loc"])
    return {"field": place or "body", "problem": str(error["msg"]).removeprefix("Value error, ")}
