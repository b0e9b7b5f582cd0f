"""State of a ``RayAgent``: role probabilities, counters, capability, energy and memory."""

import json
from collections import deque
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

DEFAULT_ROLES: Final[Mapping[str, float]] = {"E": 0.9, "S": 0.1, "O": 0.0}
QUALITY_WINDOW: Final = 20
QUALITY_HISTORY: Final = 100
SCORE_WEIGHT: Final = 0.1
SUCCESS_SHARE: Final = 0.6
"""Source of these values: SeedCore's agents, whose capability is an exponentially weighted mean with factor 0.1 of
0.6 * success rate + 0.4 * mean of the last 20 qualities, of which they keep 100."""
REMEMBERED: Final = 10
"""Outcomes in the agent's memory; the same number as an executor keeps."""
_TOLERANCE: Final = 1e-6
_DIGITS: Final = 9


class AgentState:
    """Counters of one agent. Only the owner changes them."""

    def __init__(self, agent_id: str, role_probabilities: Mapping[str, float] | None = None) -> None:
        """Start an agent without history.

        Raises:
            ValueError: The id is empty, or the role probabilities are no non-negative numbers for E, S and O.
        """
        if not isinstance(agent_id, str) or not agent_id.strip():
            raise ValueError("agent_id must be a text that is not empty")
        self.agent_id = agent_id
        self.role_probs = normalised_roles(DEFAULT_ROLES if role_probabilities is None else role_probabilities)
        self.capability_score = 0.5
        self.tasks_processed = 0
        self.successful_tasks = 0
        self.quality_scores: deque[float] = deque(maxlen=QUALITY_HISTORY)
        self.memory_writes = 0
        self.memory_hits = 0
        self.total_compression_gain = 0.0
        self.skill_deltas: dict[str, float] = {}
        self.peer_interactions: dict[str, int] = {}
        self.energy: dict[str, Any] = {"cognitive_cost": 0.0}
        self._outcomes: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

    @property
    def mem_util(self) -> float:
        """Share of the memory that is used, 0 to 1."""
        return len(self._outcomes) / REMEMBERED

    @property
    def success_rate(self) -> float:
        """Share of the tasks that succeeded, 0 to 1; 0 without tasks."""
        return self.successful_tasks / self.tasks_processed if self.tasks_processed else 0.0

    @property
    def avg_quality(self) -> float:
        """Mean of the last QUALITY_WINDOW confidences, 0 to 1; 0 without any."""
        recent = list(self.quality_scores)[-QUALITY_WINDOW:]
        return sum(recent) / len(recent) if recent else 0.0

    def record(self, result: Mapping[str, Any], input_data: Mapping[str, Any]) -> None:
        """Count the result of a call: its energy, its outcome, the capability, and the memory of it."""
        cost = self.energy.get("cognitive_cost", 0.0) + result.get("energy_cost", 0.0)
        self.energy["cognitive_cost"] = round(cost, _DIGITS)
        self.tasks_processed += 1
        if result.get("success"):
            self.successful_tasks += 1
            self.total_compression_gain += _compression(result, input_data)
        if isinstance(result.get("confidence"), float):
            self.quality_scores.append(result["confidence"])
        self._score()
        self._remember(result)

    def memory(self) -> dict[str, Any]:
        """Return the memory for a prompt. Each use of a memory with outcomes counts as a hit."""
        self.memory_hits += bool(self._outcomes)
        return {
            "memory_utilization": round(self.mem_util, 2),
            "memory_writes": self.memory_writes,
            "memory_hits": self.memory_hits,
            "compression_gain": round(self.total_compression_gain, 4),
            "skill_deltas": dict(self.skill_deltas),
            "recent_outcomes": list(self._outcomes),
        }

    def lifecycle(self) -> dict[str, Any]:
        """Return the agent's own record for a prompt."""
        return {
            "agent_id": self.agent_id,
            "capability_score": round(self.capability_score, 4),
            "role_probabilities": dict(self.role_probs),
            "tasks_processed": self.tasks_processed,
            "successful_tasks": self.successful_tasks,
        }

    def performance(self) -> dict[str, Any]:
        """Return the measured performance for an assessment."""
        return {
            "tasks_processed": self.tasks_processed,
            "successful_tasks": self.successful_tasks,
            "quality_scores": [round(each, 4) for each in list(self.quality_scores)[-QUALITY_WINDOW:]],
            "capability_score": round(self.capability_score, 4),
            "memory_utilization": round(self.mem_util, 2),
            "peer_interactions": dict(self.peer_interactions),
        }

    def capabilities(self) -> dict[str, Any]:
        """Return the current capabilities for a plan or an assessment."""
        history = {
            "tasks_processed": self.tasks_processed,
            "successful_tasks": self.successful_tasks,
            "avg_quality": round(self.avg_quality, 4),
        }
        return {
            "capability_score": round(self.capability_score, 4),
            "role_probabilities": dict(self.role_probs),
            "skill_deltas": dict(self.skill_deltas),
            "performance_history": history,
        }

    def summary(self) -> dict[str, Any]:
        """Return the counters, under the names of SeedCore's agents."""
        return {
            "agent_id": self.agent_id,
            "capability_score": self.capability_score,
            "mem_util": self.mem_util,
            "tasks_processed": self.tasks_processed,
            "success_rate": self.success_rate,
            "avg_quality": self.avg_quality,
            "memory_writes": self.memory_writes,
            "memory_hits": self.memory_hits,
            "peer_interactions_count": sum(self.peer_interactions.values()),
            "cognitive_cost": self.energy.get("cognitive_cost", 0.0),
        }

    def _score(self) -> None:
        aim = SUCCESS_SHARE * self.success_rate + (1 - SUCCESS_SHARE) * self.avg_quality
        self.capability_score += SCORE_WEIGHT * (aim - self.capability_score)

    def _remember(self, result: Mapping[str, Any]) -> None:
        entry = {"task_type": result.get("task_type"), "outcome": "completed" if result.get("success") else "failed"}
        known = {name: result[name] for name in ("error_type", "confidence") if result.get(name) is not None}
        self._outcomes.append(entry | known)
        self.memory_writes += 1


def normalised_roles(given: Mapping[str, float]) -> dict[str, float]:
    """Return the probabilities of E, S and O. Their sum becomes 1 if it differs from 1 by more than 1e-6.

    Raises:
        ValueError: A name is none of E, S and O, a value is negative or no number, or all are 0.
    """
    unknown = sorted(set(map(str, given)) - set(DEFAULT_ROLES))
    if unknown:
        raise ValueError(f"role probabilities: {', '.join(unknown)} is none of E, S and O")
    for name, value in given.items():
        if not isinstance(value, int | float) or not isfinite(value) or value < 0:
            raise ValueError(f"role probabilities: {name} is {value!r}; expected a number from 0 on")
    total = float(sum(given.values()))
    if total <= 0:
        raise ValueError("role probabilities: at least one of E, S and O must be more than 0")
    scale = 1.0 if abs(total - 1) <= _TOLERANCE else total
    return {name: given.get(name, 0.0) / scale for name in DEFAULT_ROLES}


def _compression(result: Mapping[str, Any], input_data: Mapping[str, Any]) -> float:
    """Return the share of the fragments' size that their synthesis saves, 0 to 1; 0 for other task types."""
    insight, fragments = result.get("synthesized_insight"), input_data.get("memory_fragments")
    if not isinstance(insight, str) or not fragments:
        return 0.0
    return max(0.0, 1 - len(insight) / len(json.dumps(fragments, ensure_ascii=False, default=str)))
