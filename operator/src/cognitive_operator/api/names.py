"""Group, kinds, annotations and the names of children and of everything on the broker and on Ray."""

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
SCHEDULE_LABEL: Final = f"{GROUP}/schedule"
"""Label of a schedule's tasks: its name."""
SCHEDULED_AT: Final = f"{GROUP}/scheduled-timestamp"
"""Annotation of a schedule's tasks: the time that they are the run of."""
AGENT_FINALIZER: Final = f"{GROUP}/executor"
MANAGER: Final = "cognitive-operator"

REQUEST_STREAM: Final = "AGENT_REQUESTS"
RESPONSE_STREAM: Final = "AGENT_RESPONSES"
RESPONSE_CONSUMER: Final = "cognitive-operator"
DEAD_LETTER_STREAM: Final = "AGENT_DEAD_LETTERS"
CLAIM_BUCKET: Final = "claims"
LEASE_BUCKET: Final = "lease"


class AttemptKey(NamedTuple):
    """One attempt of one task on one agent: what requests, claims and responses are keyed by."""

    agent_uid: str
    task_uid: str
    number: int

    def __str__(self) -> str:
        """Return the claim's key: ``<agentUID>.<taskUID>.<attempt>``."""
        return f"{self.agent_uid}.{self.task_uid}.{self.number}"


def request_subject(namespace: str, key: AttemptKey) -> str:
    """Return the subject that the request of an attempt is published on."""
    return f"agent.request.{namespace}.{key}"


def response_subject(outcome: str, namespace: str, key: AttemptKey) -> str:
    """Return the subject of a response; ``outcome`` is ``completed`` or ``failed``, or ``closed`` by the operator."""
    return f"agent.response.{outcome}.{namespace}.{key}"


def dead_letter_subject(subject: str) -> str:
    """Return where a response that nobody can use is told of; ``subject`` is the response's own."""
    return f"agent.dead_letter.{subject.removeprefix('agent.response.')}"


def responses_of_agent(namespace: str, agent_uid: str) -> str:
    """Return the filter for all that ended attempts of an agent."""
    return f"agent.response.*.{namespace}.{agent_uid}.>"


def responses_of_task(namespace: str, key: AttemptKey) -> str:
    """Return the filter for all that ended attempts of the task that ``key`` belongs to, on the same agent."""
    return f"agent.response.*.{namespace}.{key.agent_uid}.{key.task_uid}.*"


def responses_of_attempt(namespace: str, key: AttemptKey) -> str:
    """Return the filter for all that ended one attempt."""
    return f"agent.response.*.{namespace}.{key}"


def control_subject(namespace: str, agent_uid: str) -> str:
    """Return the core-NATS subject that an agent's executors listen on."""
    return f"agent.control.{namespace}.{agent_uid}"


def parse_request_subject(subject: str) -> tuple[str, AttemptKey] | None:
    """Return namespace and attempt of a request's subject, None if it is not one."""
    match subject.split("."):
        case ["agent", "request", namespace, agent_uid, task_uid, number] if _is_number(number):
            return namespace, AttemptKey(agent_uid, task_uid, int(number))
    return None


def parse_response_subject(subject: str) -> tuple[str, str, AttemptKey] | None:
    """Return outcome, namespace and attempt of a response's subject, None if it is not one."""
    match subject.split("."):
        case ["agent", "response", ("completed" | "failed" | "closed") as outcome, namespace, agent, task, number] if (
            _is_number(number)
        ):
            return outcome, namespace, AttemptKey(agent, task, int(number))
    return None


def parse_attempt(text: str) -> AttemptKey | None:
    """Return the attempt that a claim's key names, None if it is none."""
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


def parse_object(agent_uid: str, name: str) -> AttemptKey | None:
    """Return the attempt that an object of an agent's bucket belongs to, None if it is not one of ours."""
    return parse_attempt(f"{agent_uid}.{name.removesuffix('.input')}")


def attempt_submission_id(task_uid: str, number: int) -> str:
    """Return the Ray submission id of an attempt in Job mode: the same for every operator."""
    return f"ct-{task_uid}-{number}"


def run_name(schedule: str, scheduled: datetime) -> str:
    """Return the name of the task of a schedule's run: the same for every operator."""
    return f"{schedule}-{int(scheduled.timestamp()) // 60}"


def executor_prefix(agent_uid: str) -> str:
    """Return what the Ray submission ids of an agent's executors begin with."""
    return f"ca-{agent_uid}-"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) <= 9 and text[0] != "0"
