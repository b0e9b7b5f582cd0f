"""The demo shows its agents once they have counted their tasks."""

from typing import Any

import pytest

from demo import wait


class Agents:
    """Answers of ``kubectl get cagent``, one for each call; the last one stays."""

    def __init__(self, *running: int | None) -> None:
        self.running = list(running)
        self.calls = 0

    def json(self, *arguments: str) -> dict[str, Any]:
        assert arguments == ("get", "cagent")
        self.calls += 1
        found = self.running.pop(0) if len(self.running) > 1 else self.running[0]
        return {"items": [{"status": {} if found is None else {"running": found}}, {}]}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "POLL_S", 0.0)


def wait_for(agents: Agents) -> int:
    kubectl: Any = agents
    wait.wait_for_idle_agents(kubectl)
    return agents.calls


def test_agents_that_still_count_a_task_are_waited_for() -> None:
    assert wait_for(Agents(2, 1, 0)) == 3
    assert wait_for(Agents(None)) == 1


def test_the_wait_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "IDLE_DEADLINE_S", 0.0)
    assert wait_for(Agents(1)) <= 2
