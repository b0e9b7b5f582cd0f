"""Verifies messages of the stream of responses."""

from pydantic import ValidationError

from cognitive_operator.api.names import AttemptKey, parse_response_subject
from cognitive_operator.api.validation import first_fault
from cognitive_operator.api.wire import SIGNATURE_HEADER, Completed, Failed, attempt_key, is_signed
from cognitive_operator.errors import ContentError, MessageError
from cognitive_operator.ports.broker import RetainedResponse


def verified(response: RetainedResponse, master_key: bytes) -> tuple[str, AttemptKey, Completed | Failed]:
    """Return namespace, attempt and content of a response.

    Raises:
        ContentError: The signature is right, but no status can be made of the content.
        MessageError: The subject or the signature is invalid; the message can never be used.
    """
    parsed = parse_response_subject(response.subject)
    if parsed is None:
        raise MessageError("BadSubject", f"{response.subject!r} is not the subject of a response")
    outcome, namespace, key = parsed
    signature = response.headers.get(SIGNATURE_HEADER, "")
    if not signature:
        raise MessageError("Unsigned", f"the response has no {SIGNATURE_HEADER} header")
    if not is_signed(attempt_key(master_key, key.task_uid, key.number), response.subject, response.data, signature):
        raise MessageError("WrongSignature", "the signature was not made with this attempt's key")
    model = Completed if outcome == "completed" else Failed  # a closed response has the form of a failure
    try:
        content: Completed | Failed = model.model_validate_json(response.data)
    except (ValidationError, RecursionError) as error:
        raise ContentError(f"not a {outcome} response: {_first_line(error)}") from error
    if (content.task_uid, content.attempt, content.agent_uid) != (key.task_uid, key.number, key.agent_uid):
        raise ContentError("the content and the subject name different attempts")
    return namespace, key, content


def is_closed_response(subject: str) -> bool:
    """Return True if the operator published a message itself, to report the end of an attempt to the counters."""
    parsed = parse_response_subject(subject)
    return parsed is not None and parsed[0] == "closed"


def _first_line(error: Exception) -> str:
    return first_fault(error) if isinstance(error, ValidationError) else type(error).__name__
