"""Conditions of executors and attempts whose Ray job does not report to the broker."""

from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason, as_sentence
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.job_log import JobCause
from cognitive_operator.plan.mounts import mount_advice

_NETWORK: Final = (
    "Check that the Ray cluster can reach that URL: the operator's COGNITIVE_RAY_NATS_URL, name resolution and network "
    "policies."
)


def executor_problem(agent: Agent, head: str, cause: JobCause) -> Condition:
    """Return ExecutorReady, False, for a job that ended or stays silent because of ``cause``.

    Args:
        agent: The agent.
        head: Sentence about the job.
        cause: The end of the job's log.
    """
    reason = cause.reason or Reason.EXECUTOR_NOT_REPORTING
    return Condition.false(AgentCondition.EXECUTOR_READY, reason, f"{head} {explained(agent, cause)}")


def explained(agent: Agent, cause: JobCause) -> str:
    """Return the cause in sentences, followed by what to do."""
    if cause.reason is None:
        said = f"Its log ends with: {as_sentence(cause.text)}" if cause.text else "Its log is empty."
        return f"{said} Read the whole log with `ray job logs`, and run the doctor on a node of Ray."
    remedy = mount_advice(agent) if cause.reason is Reason.CREDENTIALS_NOT_MOUNTED else _NETWORK
    return f"{as_sentence(cause.text)} {remedy}"


def pending_job(agent: Agent, submission_id: str, limit_s: float) -> str:
    """Return the sentences about an attempt's Ray job that Ray has not started in time."""
    head = f"Ray job {submission_id} was still PENDING after {limit_s:g} s."
    resources = agent.spec.execution.resources
    if resources is None or not resources.reserved:
        return head
    listed = ", ".join(f"{name}: {value}" for name, value in resources.reserved.items())
    return (
        f"{head} spec.execution.resources of the agent is now {listed}: check that a node of the Ray cluster has that "
        "much free, or lower it."
    )
