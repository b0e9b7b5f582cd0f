"""Agents and tasks of a complete list: the owners of what is on the broker."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Owners:
    """UIDs of all agents and tasks in one complete list."""

    tasks: frozenset[str]
    agents: frozenset[str]
