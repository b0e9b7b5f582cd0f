"""The Ray jobs of attempts in Job mode."""

from cognitive_operator.api.names import attempt_submission_id
from cognitive_operator.desired.ray_job import RayEnvironment, desired_attempt
from cognitive_operator.errors import RayRefusedError, RayUnavailableError
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.ports.ray import RayJob, RayJobs
from cognitive_operator.reconcile.state.agent_record import AgentRecord


class AttemptJobs:
    """Reads, submits and stops the Ray job of an attempt on its agent's Ray cluster.

    Every method raises RayUnavailableError while the cluster does not answer or is not known; retry then.
    """

    def __init__(self, ray: RayJobs, environment: RayEnvironment) -> None:
        self._ray = ray
        self._environment = environment

    async def get(self, attempt: InFlightAttempt, agent: AgentRecord) -> RayJob | None:
        """Return the job, None if Ray does not know it."""
        return await self._ray.get(agent.require_ray_target(), _submission_id(attempt))

    async def read_log(self, attempt: InFlightAttempt, agent: AgentRecord) -> str | None:
        """Return what the job has written, None if Ray does not return it."""
        try:
            return await self._ray.read_log(agent.require_ray_target(), _submission_id(attempt))
        except (RayUnavailableError, RayRefusedError):
            return None

    async def submit(self, attempt: InFlightAttempt, agent: AgentRecord) -> str | None:
        """Submit the job; return the reason when Ray refuses it for good."""
        submission = desired_attempt(agent.agent, attempt.key, self._environment)
        try:
            await self._ray.submit(agent.require_ray_target(), submission)
        except RayRefusedError as error:
            return str(error)
        return None

    async def stop(self, attempt: InFlightAttempt, agent: AgentRecord) -> None:
        """Ask Ray to stop the job."""
        await self._ray.stop(agent.require_ray_target(), _submission_id(attempt))


def _submission_id(attempt: InFlightAttempt) -> str:
    return attempt_submission_id(attempt.key.task_uid, attempt.key.number)
