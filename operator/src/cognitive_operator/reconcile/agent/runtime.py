"""Features of the runtime that runs an agent's attempts."""

from cognitive_operator.api.conditions import Condition
from cognitive_operator.plan.agent.conditions import ObservedExecutor
from cognitive_operator.plan.agent.features import (
    JobRuntime,
    executor_runtime,
    is_runtime_known,
    job_runtime,
    newest_job_lease,
)
from cognitive_operator.ports.clock import Clock
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index


class RuntimeFeatures:
    """Compares the features that workers name in their leases with those that the agent's settings need.

    In Job mode a worker lives only as long as its attempt. So the features of the last one are remembered, until the
    image or the Ray cluster changes; while they are not known, one attempt runs at a time.
    """

    def __init__(self, index: Index, image: str, clock: Clock) -> None:
        """Take the image of the pods of managed Ray clusters whose agents name none."""
        self._index = index
        self._image = image
        self._clock = clock

    def update(self, record: AgentRecord) -> AgentRecord:
        """Store the runtime that the newest lease of Job mode names; return the newest record."""
        lease = newest_job_lease(record.fresh_leases) if record.agent.spec.execution.is_job else None
        if lease is None:
            return record
        features, now_s = frozenset(lease.features), self._clock.monotonic()
        runtime = JobRuntime(record.runtime_key, lease.runtime_version, features, now_s)
        return self._index.update_agent(record, runtime=runtime)

    def check(self, record: AgentRecord, executor: ObservedExecutor) -> Condition:
        """Return RuntimeOutdated."""
        if record.agent.spec.execution.is_job:
            return job_runtime(record.agent, self._image, record.present_runtime)
        return executor_runtime(record.agent, self._image, executor.leases)

    def is_known(self, record: AgentRecord) -> bool:
        """Return False if an agent in Job mode needs features that its runtime is not known to have."""
        return not record.agent.spec.execution.is_job or is_runtime_known(record.agent, record.present_runtime)
