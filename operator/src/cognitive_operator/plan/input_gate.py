"""Why a task waits for its input, or can never have it."""

from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.api.inputs import InputSource
from cognitive_operator.plan.gate import GateResult

WAIT_S: Final = 30.0
"""Seconds after which a source is looked for again."""


class InputNotReadyError(Exception):
    """An input cannot be had now, or never."""

    def __init__(self, gate: GateResult) -> None:
        super().__init__(gate.message)
        self.gate = gate


def source_label(namespace: str, source: InputSource) -> str:
    """Return what a source refers to, as messages name it."""
    for kind, ref in (("ConfigMap", source.config_map_key_ref), ("Secret", source.secret_key_ref)):
        if ref is not None:
            return f"{kind} {namespace}/{ref.name}"
    return f"CognitiveTask {namespace}/{source.task_ref.name if source.task_ref else ''}"


def absent(source: InputSource, what: str) -> InputNotReadyError:
    """Something is not there, but may come."""
    return _held(source, Reason.INPUT_NOT_FOUND, f"{what}; the task waits for it.")


def unreadable(source: InputSource, what: str) -> InputNotReadyError:
    """Something is there and may not be read, or is not what it must be, and may be mended."""
    return _held(source, Reason.INPUT_INVALID, f"{what}; the task waits until it is mended.")


def forbidden(source: InputSource, what: str) -> InputNotReadyError:
    """Somebody must allow it."""
    return _held(source, Reason.INPUT_FORBIDDEN, what)


def unfinished(source: InputSource, what: str) -> InputNotReadyError:
    """Another task has not ended."""
    return _held(source, Reason.WAITING_FOR_TASK, f"{what}.")


def hopeless(source: InputSource, reason: Reason, what: str) -> InputNotReadyError:
    """It can never be had: the task ends."""
    return InputNotReadyError(GateResult(reason, _named(source, f"{what}."), Phase.FAILED))


def lost(what: str) -> InputNotReadyError:
    """The result of a task in spec.dependsOn cannot be had any more: the task ends."""
    return InputNotReadyError(GateResult(Reason.DEPENDENCY_FAILED, f"spec.dependsOn: {what}"[:1024], Phase.FAILED))


def too_large(size: int, limit: int) -> InputNotReadyError:
    """All input together is too large; what it comes from may change, but a task is not held for that."""
    message = (
        f"spec.input, spec.inputFrom and spec.dependsOn together are {size} bytes of JSON, "
        f"more than the {limit} that a task may have."
    )
    return InputNotReadyError(GateResult(Reason.INPUT_TOO_LARGE, message, Phase.FAILED))


def _held(source: InputSource, reason: Reason, what: str) -> InputNotReadyError:
    return InputNotReadyError(GateResult(reason, _named(source, what), recheck_s=WAIT_S))


def _named(source: InputSource, what: str) -> str:
    return f"spec.inputFrom[as={source.as_}]: {what}"
