"""Conditions after the Kubernetes API conventions; their types and reasons, phases and outcomes of attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Literal, Self

from cognitive_operator.api.bounds import CONDITION_MESSAGE_CHARS, clean_text, is_condition_reason


class AgentCondition(StrEnum):
    """Condition types of a CognitiveAgent."""

    READY = "Ready"
    """All other conditions are True, and RuntimeOutdated is False: tasks are dispatched."""
    RAY_READY = "RayReady"
    """The Ray dashboard answers."""
    MODEL_READY = "ModelReady"
    """The model endpoint answers, with the agent's credentials."""
    EXECUTOR_READY = "ExecutorReady"
    """A warm worker accepts requests. In Job mode: jobs can be submitted."""
    RUNTIME_OUTDATED = "RuntimeOutdated"
    """The runtime lacks a feature that the agent's settings need: tasks are not dispatched."""
    TOOLS_READY = "ToolsReady"
    """The MCP servers of ``spec.tools`` answer. Only agents with tools have this condition; Ready does not need it."""


class TaskCondition(StrEnum):
    """Condition types of a CognitiveTask."""

    ACCEPTED = "Accepted"
    """The task is valid and its agent exists."""
    DISPATCHED = "Dispatched"
    """An attempt was handed to an executor."""
    COMPLETE = "Complete"
    """The task succeeded. Terminal."""
    FAILED = "Failed"
    """The task failed and is not retried, or was cancelled. Terminal."""
    OUTPUT_VALID = "OutputValid"
    """The output satisfies ``spec.outputSchema``. Only tasks with an output schema have this condition."""


class ScheduleCondition(StrEnum):
    """Condition types of a CognitiveSchedule."""

    READY = "Ready"
    """The schedule starts its runs when they are due."""


class SignatureCondition(StrEnum):
    """Condition types of a CognitiveSignature."""

    READY = "Ready"
    """Tasks can use the signature."""


class Phase(StrEnum):
    """Summary of a task's conditions."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_terminal(self) -> bool:
        """True for Succeeded, Failed and Cancelled, which never change again."""
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)


class Outcome(StrEnum):
    """Outcome of an attempt."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    LOST = "Lost"
    """The executor stopped renewing its lease or its job ended; the attempt may have called the model."""
    CANCELLED = "Cancelled"
    """Stopped by ``spec.cancel``."""
    SUSPENDED = "Suspended"
    """Stopped by ``spec.suspend``; not counted as a retry."""


class Reason(StrEnum):
    """Reasons of conditions. An executor's ``error_type`` (see the wire) becomes the reason unchanged."""

    # agents
    AVAILABLE = "Available"
    RAY_UNREACHABLE = "RayUnreachable"
    RAY_REFUSED = "RayRefused"
    RAY_TAKES_NO_JOBS = "RayTakesNoJobs"
    KUBERAY_ABSENT = "KubeRayAbsent"
    NAME_TAKEN = "NameTaken"
    FORBIDDEN = "Forbidden"
    RAY_CLUSTER_NOT_FOUND = "RayClusterNotFound"
    RAY_STARTING = "RayStarting"
    RAY_UPDATING = "RayUpdating"
    RAY_SUSPENDED = "RaySuspended"
    QUOTA_EXCEEDED = "QuotaExceeded"
    """A ResourceQuota of the namespace, or the quota of the model's account."""
    POD_SECURITY_VIOLATED = "PodSecurityViolated"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_REFUSED = "ContainerRefused"
    OUT_OF_MEMORY = "OutOfMemory"
    CRASH_LOOP = "CrashLoop"
    POD_FAILED = "PodFailed"
    VOLUME_NOT_FOUND = "VolumeNotFound"
    VOLUME_UNBOUND = "VolumeUnbound"
    VOLUME_NOT_MOUNTED = "VolumeNotMounted"
    UNSCHEDULABLE = "Unschedulable"
    KIND_ABSENT = "KindAbsent"
    CHILD_REFUSED = "ChildRefused"
    MODEL_STARTING = "ModelStarting"
    MODEL_FAILED = "ModelFailed"
    INFERENCE_FAILING = "InferenceFailing"
    """Calls of executors fail, for several tasks in a row."""
    MODEL_UNREACHABLE = "ModelUnreachable"
    FALLBACK_AVAILABLE = "FallbackAvailable"
    MODEL_NOT_SERVED = "ModelNotServed"
    CREDENTIALS_REJECTED = "CredentialsRejected"
    """The operator's own check of the endpoint was refused."""
    CREDENTIALS_REFUSED = "CredentialsRefused"
    """The calls of executors are refused."""
    SECRET_NOT_FOUND = "SecretNotFound"
    SECRET_INVALID = "SecretInvalid"
    CREDENTIALS_NOT_MOUNTED = "CredentialsNotMounted"
    CONSUMER_MISSING = "ConsumerMissing"
    CREDENTIALS_NOT_KEPT = "CredentialsNotKept"
    SECRET_TOO_LARGE = "SecretTooLarge"
    """The Secret of a RayCluster has no room for the keys of another agent."""
    BROKER_UNREACHABLE = "BrokerUnreachable"
    """The operator cannot reach the broker (Ready), or the agent's Ray jobs cannot (ExecutorReady)."""
    EXECUTOR_STARTING = "ExecutorStarting"
    EXECUTOR_FAILED = "ExecutorFailed"
    EXECUTOR_NOT_REPORTING = "ExecutorNotReporting"
    """The executor's Ray job runs, and no worker reports to the broker."""
    JOB_PER_ATTEMPT = "JobPerAttempt"
    RUNTIME_OUTDATED = "RuntimeOutdated"
    FEATURE_MISSING = "FeatureMissing"
    SETTINGS_TOO_LARGE = "SettingsTooLarge"
    SUSPENDED = "Suspended"
    ENERGY_EXHAUSTED = "EnergyExhausted"
    BUDGET_EXHAUSTED = "BudgetExhausted"
    NOT_CHECKED = "NotChecked"
    INVALID_REASON = "InvalidReason"
    # tasks
    ACCEPTED = "Accepted"
    INPUT_TOO_LARGE = "InputTooLarge"
    QUEUE_FULL = "QueueFull"
    INVALID_OUTPUT_SCHEMA = "InvalidOutputSchema"
    OUTPUT_CHECKED = "OutputChecked"
    BUDGET_EXCEEDED = "BudgetExceeded"
    AGENT_NOT_FOUND = "AgentNotFound"
    AGENT_NOT_READY = "AgentNotReady"
    WAITING_FOR_SLOT = "WaitingForSlot"
    WAITING_FOR_EXECUTOR = "WaitingForExecutor"
    BACKING_OFF = "BackingOff"
    AGENT_SUSPENDED = "AgentSuspended"
    CANCELLED = "Cancelled"
    QUEUE_TIMEOUT = "QueueTimeout"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    STATUS_REFUSED = "StatusRefused"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    # inputFrom
    INPUT_NOT_FOUND = "InputNotFound"
    INPUT_INVALID = "InputInvalid"
    INPUT_FORBIDDEN = "InputForbidden"
    WAITING_FOR_TASK = "WaitingForTask"
    DEPENDENCY_FAILED = "DependencyFailed"
    # dependencies
    WAITING_FOR_DEPENDENCY = "WaitingForDependency"
    DEPENDENCY_NOT_FOUND = "DependencyNotFound"
    DEPENDENCY_CYCLE = "DependencyCycle"
    # signatures
    VALID = "Valid"
    INVALID_SIGNATURE = "InvalidSignature"
    SIGNATURE_NOT_FOUND = "SignatureNotFound"
    SIGNATURE_NOT_READY = "SignatureNotReady"
    # tools
    TOOL_SERVER_UNREACHABLE = "ToolServerUnreachable"
    TOOL_SERVER_INVALID = "ToolServerInvalid"
    """The server answers, but not as an MCP server."""
    TOOLS_NOT_ALLOWED = "ToolsNotAllowed"
    """No pattern in ``allow`` matches a tool of the server; or the task's type or signature uses no tools."""
    TOOLS_NOT_FOUND = "ToolsNotFound"
    """The task's agent has no tools."""
    TOOLS_NOT_READY = "ToolsNotReady"
    SIDE_EFFECTS = "SideEffects"
    """An attempt may have changed something by a tool, so it is not retried."""
    # schedules
    SCHEDULED = "Scheduled"
    INVALID_SCHEDULE = "InvalidSchedule"
    UNKNOWN_TIME_ZONE = "UnknownTimeZone"
    TASK_REFUSED = "TaskRefused"
    # attempts that the operator closes without a response
    EXECUTOR_LOST = "ExecutorLost"
    JOB_FAILED = "JobFailed"
    RESULT_LOST = "ResultLost"
    RESPONSE_INVALID = "ResponseInvalid"
    AGENT_DELETED = "AgentDeleted"
    STOPPED = "Stopped"
    """An executor was told to stop an attempt whose task neither spec.cancel nor spec.suspend stops."""


@dataclass(frozen=True)
class Condition:
    """One condition of an object, without its times: a type, a status, and the reason for that status."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    """Names the object and the field, the expected value and the remedy."""

    def __post_init__(self) -> None:
        """Make reason and message acceptable to the CRDs, since they may quote texts from outside."""
        object.__setattr__(self, "message", clean_text(self.message, CONDITION_MESSAGE_CHARS))
        if not is_condition_reason(self.reason):
            object.__setattr__(self, "reason", Reason.INVALID_REASON)

    @classmethod
    def true(cls, condition_type: str, reason: str, message: str) -> Self:
        """Return a condition with status True."""
        return cls(condition_type, "True", reason, message)

    @classmethod
    def false(cls, condition_type: str, reason: str, message: str) -> Self:
        """Return a condition with status False."""
        return cls(condition_type, "False", reason, message)

    @classmethod
    def unknown(cls, condition_type: str, reason: str, message: str) -> Self:
        """Return a condition with status Unknown."""
        return cls(condition_type, "Unknown", reason, message)

    @property
    def is_true(self) -> bool:
        """True if the status is True."""
        return self.status == "True"

    @property
    def is_false(self) -> bool:
        """True if the status is False: neither True nor Unknown."""
        return self.status == "False"

    def with_type(self, condition_type: str) -> Self:
        """Return the same status, reason and message under another condition type."""
        return replace(self, type=condition_type)


_REFUSAL_CHARS: Final = 900
"""Maximum length of an error of the API server in a message, so that the remedy after it is not cut off."""
_UPDATE_CRDS: Final = "Update the CRDs in the cluster if they are not those of this version of the operator."


def as_sentence(message: str) -> str:
    """Return a message with a full stop at its end, so that another sentence can follow.

    Messages from executors, Ray and HTTP servers may lack it.
    """
    text = message.rstrip()
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def refused_status(message: str) -> str:
    """Return the message of a status that the API server refused, followed by what to do."""
    return f"{as_sentence(clean_text(message, _REFUSAL_CHARS))} {_UPDATE_CRDS}"


def merge_conditions(
    old: Sequence[Mapping[str, Any]], conditions: Sequence[Condition], generation: int, now: str
) -> list[dict[str, Any]]:
    """Return the old list with the conditions merged in; a transition time moves only when a status changes."""
    merged = {str(c["type"]): dict(c) for c in old}
    for condition in conditions:
        before = merged.get(condition.type)
        moved = before is None or before.get("status") != condition.status
        merged[condition.type] = {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "observedGeneration": generation,
            "lastTransitionTime": now if moved or before is None else before.get("lastTransitionTime", now),
        }
    return list(merged.values())
