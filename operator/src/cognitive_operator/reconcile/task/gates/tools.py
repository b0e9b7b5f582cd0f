"""Gate of ``spec.tools``."""

from cognitive_operator.desired.tools import has_tools
from cognitive_operator.plan.agent.tools import TOOLS_NOT_CHECKED, tools_gate, unusable_tools
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord


class ToolsGate:
    """Closed while the agent of a task with tools has none, or ToolsReady is not True (port ``Gate``).

    It is checked after the signature, whose module must use tools.
    """

    def __init__(self, index: Index) -> None:
        self._index = index

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return why the agent's tools cannot be used."""
        agent, used = self._index.agent_of(record), record.signature
        if record.task is None or agent is None:
            return None
        if (unusable := unusable_tools(record.task, used.snapshot.module if used else None)) is not None:
            return unusable
        ready = (agent.tools or TOOLS_NOT_CHECKED) if has_tools(agent.agent) else None
        return tools_gate(agent.agent, ready)
