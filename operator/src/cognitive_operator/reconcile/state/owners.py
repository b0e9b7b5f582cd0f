"""Agents and tasks of a complete list: the owners of what is on the broker."""

from dataclasses import dataclass
from typing import Final

ALL_NAMESPACES: Final = ""
"""Scope of a list of all namespaces at once; another scope is the name of one namespace."""


@dataclass(frozen=True)
class Owners:
    """UIDs of all agents and tasks in one complete list of some namespaces, or of all."""

    tasks: frozenset[str]
    agents: frozenset[str]
    scopes: frozenset[str] = frozenset({ALL_NAMESPACES})
    """Listed namespaces, or ``ALL_NAMESPACES``. The list proves nothing about another namespace."""

    def covers(self, namespace: str) -> bool:
        """Return True if a namespace was listed; if the name is empty, because it is unknown, True if all were."""
        return ALL_NAMESPACES in self.scopes or (bool(namespace) and namespace in self.scopes)
