"""Gate of the features of the runtime that a task needs."""

from cognitive_operator.plan.agent.features import RuntimeFacts, task_features, task_runtime
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.ports.clock import Clock
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord


class RuntimeGate:
    """Closed while the runtime of a task's agent lacks a feature that the task needs (port ``Gate``).

    Args:
        index: The agents, with the leases of their workers.
        image: Image of the pods of managed Ray clusters whose agents name none.
        clock: Limits how often an outdated runtime in Job mode is tried.
    """

    def __init__(self, index: Index, image: str, clock: Clock) -> None:
        self._index = index
        self._image = image
        self._clock = clock

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return which features the runtime lacks."""
        agent = self._index.agent_of(record)
        if record.task is None or agent is None:
            return None
        now_s = self._clock.monotonic()
        facts = RuntimeFacts(agent.agent, self._image, agent.fresh_leases, agent.present_runtime, now_s)
        return task_runtime(facts, task_features(record.task))
