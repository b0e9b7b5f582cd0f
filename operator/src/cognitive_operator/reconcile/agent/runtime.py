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

    def check(self, record: AgentRecord, executor: ObservedExecutor) -> Condition:
        """Return RuntimeOutdated, and bound the queue while the runtime of Job mode is not known."""
        queue = self._index.queue_of(record.name)
        if record.agent.spec.execution.mode != "Job":
            queue.at_most = None
            return executor_runtime(record.agent, self._image, executor.leases)
        runtime = self._remember(record)
        queue.at_most = None if is_runtime_known(record.agent, runtime) else 1
        return job_runtime(record.agent, self._image, runtime)

    def _remember(self, record: AgentRecord) -> JobRuntime | None:
        """Return the runtime of the agent's last attempt on the present image."""
        lease = newest_job_lease(record.fresh_leases)
        if lease is None:
            return record.present_runtime
        features, now_s = frozenset(lease.features), self._clock.monotonic()
        runtime = JobRuntime(record.runtime_key, lease.runtime_version, features, now_s)
        self._index.update_agent(record, runtime=runtime)
        return runtime
