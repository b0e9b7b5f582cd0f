"""Whether a worker can take requests, and why not."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ReadinessFacts:
    """What decides over a worker's readiness."""

    draining: bool = False
    stuck_attempt: str | None = None
    """Attempt whose reasoning did not end when it was stopped."""
    crashed: str | None = None
    """Error that ended a part of the worker."""
    missing_secrets: tuple[str, ...] = ()
    """Files that every request needs."""
    refused_secret: str | None = None
    """File that the last attempt needed in vain."""
    source_problem: str | None = None


@dataclass(frozen=True)
class NotReady:
    """Why a worker is not ready, as its lease says it."""

    reason: str
    message: str
    pulls: bool = False
    """Whether it asks for requests all the same."""


def check_ready(found: ReadinessFacts) -> NotReady | None:
    """Return the first reason that keeps a worker from being ready, None if there is none."""
    return next(_reasons(found), None)


def _reasons(found: ReadinessFacts) -> Iterator[NotReady]:
    if found.draining:
        yield NotReady("Draining", "The worker finishes what it has and ends.")
    if found.stuck_attempt:
        yield NotReady(
            "Wedged", f"Attempt {found.stuck_attempt} did not end when it was stopped; the worker is replaced."
        )
    if found.crashed:
        yield NotReady("Crashed", f"A part of the worker ended with {found.crashed}; the worker is replaced.")
    if found.missing_secrets:
        names = ", ".join(found.missing_secrets)
        yield NotReady("CredentialsNotMounted", f"Absent or empty in the agent's folder of secrets: {names}.")
    if found.source_problem:
        yield NotReady("ConsumerMissing", found.source_problem, pulls=True)
    if found.refused_secret:
        message = f"The last attempt needed {found.refused_secret}, which is absent or empty in the folder of secrets."
        yield NotReady("CredentialsNotMounted", message, pulls=True)
