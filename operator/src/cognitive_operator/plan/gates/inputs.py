"""Gate results for inputs that a task waits for or can never get."""

from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.api.inputs import InputSource
from cognitive_operator.plan.gates.gate import GateResult

RECHECK_S: Final = 30.0
"""Seconds after which a source is read again."""


class InputNotReadyError(Exception):
    """An input cannot be read now, or can never be read."""

    def __init__(self, gate: GateResult) -> None:
        super().__init__(gate.message)
        self.gate = gate


def source_label(namespace: str, source: InputSource) -> str:
    """Return the object that a source refers to, as messages name it."""
    for kind, ref in (("ConfigMap", source.config_map_key_ref), ("Secret", source.secret_key_ref)):
        if ref is not None:
            return f"{kind} {namespace}/{ref.name}"
    return f"CognitiveTask {namespace}/{source.task_ref.name if source.task_ref else ''}"


def absent(source: InputSource, what: str) -> InputNotReadyError:
    """Return the wait for an object or key that does not exist yet."""
    return _not_ready(source, Reason.INPUT_NOT_FOUND, f"{what}; waiting for it to be created.")


def unreadable(source: InputSource, what: str) -> InputNotReadyError:
    """Return the wait for the correction of an invalid value."""
    return _not_ready(source, Reason.INPUT_INVALID, f"{what}; waiting for a corrected value.")


def forbidden(source: InputSource, what: str) -> InputNotReadyError:
    """Return the wait for a right or a label that allows the read."""
    return _not_ready(source, Reason.INPUT_FORBIDDEN, what)


def unfinished(source: InputSource, what: str) -> InputNotReadyError:
    """Return the wait for the end of another task."""
    return _not_ready(source, Reason.WAITING_FOR_TASK, f"{what}.")


def hopeless(source: InputSource, reason: Reason, what: str) -> InputNotReadyError:
    """Return the end of a task whose input can never be read."""
    return InputNotReadyError(GateResult(reason, _named(source, f"{what}."), Phase.FAILED))


def lost(what: str) -> InputNotReadyError:
    """Return the end of a task that can never get the result of a dependency."""
    return InputNotReadyError(GateResult(Reason.DEPENDENCY_FAILED, f"spec.dependsOn: {what}"[:1024], Phase.FAILED))


def too_large(size: int, limit: int) -> InputNotReadyError:
    """Return the end of a task whose whole input is too large, although its sources may change."""
    message = f"spec.input, spec.inputFrom and spec.dependsOn total {size} bytes of JSON; the limit is {limit}."
    return InputNotReadyError(GateResult(Reason.INPUT_TOO_LARGE, message, Phase.FAILED))


def _not_ready(source: InputSource, reason: Reason, what: str) -> InputNotReadyError:
    return InputNotReadyError(GateResult(reason, _named(source, what), recheck_s=RECHECK_S))


def _named(source: InputSource, what: str) -> str:
    return f"spec.inputFrom[as={source.as_}]: {what}"
