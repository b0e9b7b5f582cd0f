"""Readiness of a worker, with the reason for its lease."""

from collections.abc import Iterator
from dataclasses import dataclass

from cognitive_runtime.domain.execution import ServeProblem


@dataclass(frozen=True)
class ReadinessFacts:
    """Facts that decide whether a worker is ready."""

    draining: bool = False
    stuck_attempt: str | None = None
    """Attempt whose reasoning did not end when it was stopped."""
    crashed: str | None = None
    """Class of the error that ended a part of the worker."""
    missing_secrets: tuple[str, ...] = ()
    """Absent files that every request needs."""
    refused_secret: str | None = None
    """Absent file that the last attempt needed."""
    loading: bool = False
    """True until the reasoner is loaded."""
    source_problem: str | None = None
    application_problem: ServeProblem | None = None
    """Reason why the agent's application on Ray Serve answers no calls."""


@dataclass(frozen=True)
class NotReady:
    """Reason why a worker is not ready, as written to its lease."""

    reason: str
    message: str
    pulls: bool = False
    """True if the worker keeps pulling requests."""


def check_ready(facts: ReadinessFacts) -> NotReady | None:
    """Return the first reason why the worker is not ready, or None."""
    return next(_reasons(facts), None)


def _reasons(facts: ReadinessFacts) -> Iterator[NotReady]:
    if facts.draining:
        yield NotReady("Draining", "The worker finishes its running attempts and ends.")
    if facts.stuck_attempt:
        message = f"Attempt {facts.stuck_attempt} did not end when it was stopped; the worker is replaced."
        yield NotReady("Wedged", message)
    if facts.crashed:
        yield NotReady("Crashed", f"A part of the worker ended with {facts.crashed}; the worker is replaced.")
    if facts.missing_secrets:
        names = ", ".join(facts.missing_secrets)
        yield NotReady("CredentialsNotMounted", f"Absent or empty in the agent's folder of secrets: {names}.")
    if facts.loading:
        yield NotReady("Loading", "The worker imports its libraries.")
    if facts.application_problem:
        yield NotReady(facts.application_problem.reason, facts.application_problem.message)
    if facts.source_problem:
        yield NotReady("ConsumerMissing", facts.source_problem, pulls=True)
    if facts.refused_secret:
        message = f"The last attempt needed {facts.refused_secret}, which is absent or empty in the folder of secrets."
        yield NotReady("CredentialsNotMounted", message, pulls=True)
