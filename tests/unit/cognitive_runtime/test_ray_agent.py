"""The agent in process: six calls, its counters, and the contexts of its prompts."""

from typing import Any

import pytest

from cognitive_runtime.domain import AgentState, CognitiveContext, Incidents
from cognitive_runtime.ray_agent import RayAgent


class Core:
    """Core that answers with a thought of ten characters, or fails, and keeps the contexts."""

    def __init__(self) -> None:
        self.contexts: list[CognitiveContext] = []
        self.fails = False
        self.more: dict[str, Any] = {}

    async def answer(self, context: CognitiveContext, *, stream: bool = False) -> dict[str, Any]:
        self.contexts.append(context)
        plain = {"task_type": context.task_type.value, "agent_id": context.agent_id, "energy_cost": 0.1}
        if self.fails:
            return plain | {"success": False, "error": "e", "error_type": "ModelTimeout", "retryable": True}
        return plain | {"success": True, "thought": "0123456789", "confidence": 0.5} | self.more


@pytest.fixture
def core() -> Core:
    return Core()


@pytest.fixture
def agent(core: Core) -> RayAgent:
    return RayAgent("a1", {"E": 0.7, "S": 0.2, "O": 0.1}, core=core)


async def test_each_call_has_the_input_of_its_task_type(agent: RayAgent, core: Core) -> None:
    await agent.reason_about_failure("i1", {"error": "e"})
    await agent.plan_complex_task("t", {"time": "2 hours"})
    await agent.make_decision({"options": ["A"]}, {"history": []})
    await agent.solve_problem("p", {"cost": "low"}, ["profiling"])
    await agent.synthesize_memory([{"content": "c"}], "g")
    await agent.assess_capabilities({"capability_score": 0.9})
    sent = {each.task_type.value: dict(each.input_data) for each in core.contexts}
    assert sent["failure_analysis"] == {"error": "e", "incident_id": "i1"}
    assert sent["task_planning"]["available_resources"] == {"time": "2 hours"}
    assert sent["task_planning"]["agent_capabilities"]["performance_history"]["tasks_processed"] == 1
    assert sent["decision_making"] == {"decision_context": {"options": ["A"]}, "historical_data": {"history": []}}
    solved = {"problem_statement": "p", "constraints": {"cost": "low"}, "available_tools": ["profiling"]}
    assert sent["problem_solving"] == solved
    assert sent["memory_synthesis"] == {"memory_fragments": [{"content": "c"}], "synthesis_goal": "g"}
    assert sent["capability_assessment"]["performance_data"]["tasks_processed"] == 5
    assert sent["capability_assessment"]["target_capabilities"] == {"capability_score": 0.9}


async def test_the_counters_follow_the_results(agent: RayAgent, core: Core) -> None:
    await agent.make_decision({"options": ["A"]})
    core.fails = True
    await agent.make_decision({"options": ["A"]})
    stats = agent.get_summary_stats()
    assert (stats["tasks_processed"], stats["success_rate"], stats["avg_quality"]) == (2, 0.5, 0.5)
    assert (stats["mem_util"], stats["memory_writes"], stats["memory_hits"]) == (0.2, 2, 1)
    first = 0.5 + 0.1 * (0.6 * 1 + 0.4 * 0.5 - 0.5)
    assert stats["capability_score"] == pytest.approx(first + 0.1 * (0.6 * 0.5 + 0.4 * 0.5 - first))
    assert agent.get_energy_state() == {"cognitive_cost": 0.2}
    memory = core.contexts[1].memory_context
    assert memory is not None
    assert memory["recent_outcomes"] == [{"task_type": "decision_making", "outcome": "completed", "confidence": 0.5}]


async def test_energy_can_be_set_and_later_results_add_to_it(agent: RayAgent) -> None:
    state = agent.get_energy_state()
    state["cognitive_cost"] += 1.0
    agent.update_energy_state(state | {"budget": 5})
    await agent.make_decision({"options": ["A"]})
    assert agent.get_energy_state() == {"cognitive_cost": 1.1, "budget": 5}
    with pytest.raises(ValueError, match="cognitive_cost is of the type str"):
        agent.update_energy_state({"cognitive_cost": "much"})


async def test_an_unknown_incident_is_a_failure_without_a_call(agent: RayAgent, core: Core) -> None:
    result = await agent.reason_about_failure("i1")
    assert (result["success"], result["error_type"], result["reason"]) == (False, "UnknownIncident", result["error"])
    assert not core.contexts
    assert agent.get_summary_stats()["tasks_processed"] == 0
    await agent.log_incident({"incident_id": "i1", "error": "disk"})
    assert (await agent.reason_about_failure("i1"))["success"]
    assert core.contexts[0].input_data == {"incident_id": "i1", "error": "disk"}


async def test_agents_may_share_a_registry_or_have_none(core: Core) -> None:
    shared = Incidents()
    await RayAgent("a1", core=core, mfb_client=shared).log_incident({"incident_id": "i1"})
    assert (await RayAgent("a2", core=core, mfb_client=shared).reason_about_failure("i1"))["success"]
    alone = RayAgent("a3", core=core, mfb_client=None)
    assert (await alone.reason_about_failure("i1"))["error_type"] == "UnknownIncident"
    with pytest.raises(ValueError, match="no registry"):
        await alone.log_incident({"error": "e"})


async def test_skills_peers_and_compression_are_counted(agent: RayAgent, core: Core) -> None:
    agent.update_skill("sql", 0.25)
    agent.update_skill("sql", 0.25)
    agent.record_interaction("a2")
    core.more = {"synthesized_insight": "x" * 10}
    await agent.synthesize_memory(["y" * 46], "g")
    assert agent.skill_deltas == {"sql": 0.5}
    assert agent.get_summary_stats()["peer_interactions_count"] == 1
    assert agent.total_compression_gain == pytest.approx(1 - 10 / 50)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {"E": 0.9, "S": 0.1, "O": 0.0}),
        ({"E": 2, "S": 1, "O": 1}, {"E": 0.5, "S": 0.25, "O": 0.25}),
        ({"S": 1}, {"E": 0.0, "S": 1.0, "O": 0.0}),
    ],
)
def test_role_probabilities_sum_to_one(given: dict[str, float] | None, expected: dict[str, float]) -> None:
    assert AgentState("a1", given).role_probs == expected


@pytest.mark.parametrize(
    ("agent_id", "given", "problem"),
    [
        (" ", None, "agent_id"),
        ("a1", {"X": 1.0}, "X is none of"),
        ("a1", {"E": -1.0}, "E is -1.0"),
        ("a1", {"E": 0.0}, "at least one"),
    ],
)
def test_a_bad_argument_is_named(agent_id: str, given: dict[str, float] | None, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        AgentState(agent_id, given)
