"""API group, kinds, labels and annotations; names of streams, subjects, keys, objects and Ray submissions."""

import re
from datetime import datetime
from typing import Final, NamedTuple

GROUP: Final = "cognitive.seedcore.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
AGENT_KIND: Final = "CognitiveAgent"
AGENT_PLURAL: Final = "cognitiveagents"
TASK_KIND: Final = "CognitiveTask"
TASK_PLURAL: Final = "cognitivetasks"
SCHEDULE_KIND: Final = "CognitiveSchedule"
SCHEDULE_PLURAL: Final = "cognitiveschedules"
SIGNATURE_KIND: Final = "CognitiveSignature"
SIGNATURE_PLURAL: Final = "cognitivesignatures"
WATCHED_PLURALS: Final = (AGENT_PLURAL, TASK_PLURAL, SCHEDULE_PLURAL, SIGNATURE_PLURAL)
SCHEDULE_LABEL: Final = f"{GROUP}/schedule"
"""Label of a schedule's tasks: the schedule's name."""
SCHEDULED_AT: Final = f"{GROUP}/scheduled-timestamp"
"""Annotation of a schedule's tasks: the time that the run was scheduled for."""
AGENT_FINALIZER: Final = f"{GROUP}/executor"
LEASE_API: Final = "coordination.k8s.io/v1"
MANAGER: Final = "cognitive-operator"
ObjectName = tuple[str, str]
"""Namespace and name of an object."""

REQUEST_STREAM: Final = "AGENT_REQUESTS"
RESPONSE_STREAM: Final = "AGENT_RESPONSES"
RESPONSE_CONSUMER: Final = "cognitive-operator"
DEAD_LETTER_STREAM: Final = "AGENT_DEAD_LETTERS"
CLAIM_BUCKET: Final = "claims"
LEASE_BUCKET: Final = "lease"
MAX_ARTIFACTS: Final = 16
"""Large answers of tools that an attempt keeps. Source: ``docs/reference/wire.md``."""
_SUFFIX: Final = re.compile(r"[.](input|reasoning|members|operations|artifact-[0-9]{1,2})$")


class AttemptKey(NamedTuple):
    """Key of one attempt in requests, claims and responses: agent, task and attempt number."""

    agent_uid: str
    task_uid: str
    number: int

    def __str__(self) -> str:
        """Return the key of the attempt's claim: ``<agentUID>.<taskUID>.<attempt>``."""
        return f"{self.agent_uid}.{self.task_uid}.{self.number}"


def request_subject(namespace: str, key: AttemptKey) -> str:
    """Return the subject of an attempt's request."""
    return f"agent.request.{namespace}.{key}"


def response_subject(outcome: str, namespace: str, key: AttemptKey) -> str:
    """Return the subject of a response; ``outcome`` is ``completed``, ``failed`` or the operator's ``closed``."""
    return f"agent.response.{outcome}.{namespace}.{key}"


def dead_letter_subject(subject: str) -> str:
    """Return the dead letter subject of an unusable response; ``subject`` is the response's own."""
    return f"agent.dead_letter.{subject.removeprefix('agent.response.')}"


def responses_of_agent(namespace: str, agent_uid: str) -> str:
    """Return the subject filter for all responses of an agent."""
    return f"agent.response.*.{namespace}.{agent_uid}.>"


def responses_of_task(namespace: str, key: AttemptKey) -> str:
    """Return the subject filter for all responses of the key's task on the key's agent."""
    return f"agent.response.*.{namespace}.{key.agent_uid}.{key.task_uid}.*"


def responses_of_attempt(namespace: str, key: AttemptKey) -> str:
    """Return the subject filter for all responses of one attempt."""
    return f"agent.response.*.{namespace}.{key}"


def control_subject(namespace: str, agent_uid: str) -> str:
    """Return the core NATS subject on which an agent's executors receive control messages."""
    return f"agent.control.{namespace}.{agent_uid}"


def parse_request_subject(subject: str) -> tuple[str, AttemptKey] | None:
    """Return namespace and attempt of a request subject, None for any other subject."""
    match subject.split("."):
        case ["agent", "request", namespace, agent_uid, task_uid, number] if _is_number(number):
            return namespace, AttemptKey(agent_uid, task_uid, int(number))
    return None


def parse_response_subject(subject: str) -> tuple[str, str, AttemptKey] | None:
    """Return outcome, namespace and attempt of a response subject, None for any other subject."""
    match subject.split("."):
        case ["agent", "response", ("completed" | "failed" | "closed") as outcome, namespace, agent, task, number] if (
            _is_number(number)
        ):
            return outcome, namespace, AttemptKey(agent, task, int(number))
    return None


def parse_attempt(text: str) -> AttemptKey | None:
    """Return the attempt of a claim key, None for any other text."""
    match text.split("."):
        case [agent_uid, task_uid, number] if _is_number(number):
            return AttemptKey(agent_uid, task_uid, int(number))
    return None


def results_bucket(agent_uid: str) -> str:
    """Return the object bucket that holds an agent's results above 16 KiB and its large inputs."""
    return f"results-{agent_uid}"


def object_name(key: AttemptKey) -> str:
    """Return the name of an attempt's result in its agent's object bucket."""
    return f"{key.task_uid}.{key.number}"


def input_name(key: AttemptKey) -> str:
    """Return the name of an attempt's large input in its agent's object bucket."""
    return f"{object_name(key)}.input"


def reasoning_name(key: AttemptKey) -> str:
    """Return the name of an attempt's long reasoning in its agent's object bucket."""
    return f"{object_name(key)}.reasoning"


def members_name(key: AttemptKey) -> str:
    """Return the name of the large results of a deliberation's other members in its agent's object bucket."""
    return f"{object_name(key)}.members"


def operations_name(key: AttemptKey) -> str:
    """Return the name of the list of an attempt's calls of tools, if a response cannot hold it."""
    return f"{object_name(key)}.operations"


def artifact_name(key: AttemptKey, number: int) -> str:
    """Return the name of a large answer of a tool, from 1 to MAX_ARTIFACTS."""
    return f"{object_name(key)}.artifact-{number}"


def objects_of(key: AttemptKey) -> tuple[str, ...]:
    """Return the names of all objects that an attempt may have in its agent's object bucket, without artifacts."""
    return object_name(key), input_name(key), reasoning_name(key), members_name(key), operations_name(key)


def parse_object(agent_uid: str, name: str) -> AttemptKey | None:
    """Return the attempt of an object in an agent's bucket, None for an object that the operator does not know."""
    return parse_attempt(f"{agent_uid}.{_SUFFIX.sub('', name)}")


def attempt_submission_id(task_uid: str, number: int) -> str:
    """Return the deterministic Ray submission id of an attempt in Job mode."""
    return f"ct-{task_uid}-{number}"


def run_name(schedule: str, scheduled: datetime) -> str:
    """Return the deterministic name of the task of a schedule's run."""
    return f"{schedule}-{int(scheduled.timestamp()) // 60}"


def executor_prefix(agent_uid: str) -> str:
    """Return the prefix of the Ray submission ids of an agent's executors."""
    return f"ca-{agent_uid}-"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) <= 9 and text[0] != "0"
