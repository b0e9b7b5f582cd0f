"""Requests, claims, objects and jobs of attempts that are to be removed."""

from dataclasses import dataclass, field

from cognitive_operator.api.names import AttemptKey


@dataclass(frozen=True)
class AttemptGarbage:
    """An attempt whose request must no longer be executed, and whose executor must stop.

    Equal ones are one entry of the cleanup's queue, so that each may be added again and again.
    """

    namespace: str
    """Namespace of the task; empty: not known, because there is no request."""
    key: AttemptKey
    is_gone: bool = False
    """True: the task is deleted, so the claim, the objects and the Ray job are deleted as well."""
    is_input: bool = False
    """True: only the object with the input is deleted."""
    is_job: bool = False
    """True: the attempt had a Ray job of its own. Its claim may say so too."""
    is_orphan: bool = field(default=False, compare=False)
    """True: found on the broker, with no record of its task or its agent in this process."""
    reason: str = field(default="", compare=False)
    """Reason of the removal with the list, read or event that proved it, for the log of each deletion."""

    @property
    def stop_reason(self) -> str:
        """Reason code in the executor's stop message."""
        if self.is_orphan:
            return "Orphaned"
        return "TaskDeleted" if self.is_gone else "AttemptClosed"
