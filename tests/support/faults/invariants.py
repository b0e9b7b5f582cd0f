"""The invariants that hold after every fault, each as a pure function from evidence to what breaks it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from support.faults.evidence import Body, Evidence, Sighting

TASK, AGENT = "CognitiveTask", "CognitiveAgent"
WAITING = ("Pending", "Queued", "Suspended")
UNCOUNTED = (
    "CredentialsNotMounted",
    "AgentDeleted",
    "Suspended",
    "Stopped",
    "RuntimeOutdated",
    "CredentialsRefused",
    "QuotaExceeded",
)
"""Ends of an attempt that use up no retry."""
DEFAULT_RETRIES = 2
OWN_WRITES = (("create", "secrets"), ("create", "leases"), ("update", "leases"))
"""Writes of an operator in its own namespace: the signing key, and the Lease of the election."""
EXPECTED_TRACEBACK = "kopf._cogs.clients.errors."
"""Kopf logs an API error with its traceback before the operator begins anew."""

Checker = Callable[[Evidence], Iterator[str]]


def i1_settled(evidence: Evidence) -> Iterator[str]:
    """Every task has ended or was moving when the test ended it, and nothing is written any more."""
    for task in evidence.present(TASK):
        if not task.is_terminal:
            yield f"{task.name} is {task.phase or 'without a phase'}: {task.status.get('message')}"
    for write in evidence.writes:
        if write.at_s > evidence.quiet_since_s:
            yield f"{write.verb} {write.resource} {write.namespace}/{write.name} in the quiet time"


def i2_one_result(evidence: Evidence) -> Iterator[str]:
    """A terminal status never changes, and belongs to exactly one attempt."""
    for history in evidence.histories(TASK).values():
        for before, after in pairwise(history):
            if before.is_terminal and before.status != after.status:
                yield f"{after.name}: the terminal status changed: {_difference(before.status, after.status)}"
        yield from _one_success(history[-1])


def i2_kept_results(evidence: Evidence) -> Iterator[str]:
    """A result of a Succeeded task stays where it was, in its status or in the object store, while the task exists."""
    for history in evidence.histories(TASK).values():
        for before, after in pairwise(history):
            if before.phase == "Succeeded" and not after.is_deleted:
                lost = before.results - after.results
                yield from (f"{after.name}: status.{field} is gone" for field in sorted(lost))
    for task in evidence.present(TASK):
        yield from _unstored(task, evidence.stored)


def i2_phases(evidence: Evidence) -> Iterator[str]:
    """Phases go forward; back to Queued only with a newly closed attempt."""
    for history in evidence.histories(TASK).values():
        if history[0].phase is None and history[0].attempts:
            yield f"{history[0].name}: attempts without a phase"
        for before, after in pairwise(history):
            if not _may_follow(before, after):
                yield f"{after.name}: {before.phase} became {after.phase}"


def i3_one_execution(evidence: Evidence) -> Iterator[str]:
    """No attempt is executed twice, none is executed unrecorded, and there are no more than the policy allows."""
    for request_id, count in evidence.executions.items():
        if count > evidence.calls_per_attempt:
            yield f"attempt {request_id} was executed {count} times"
    for task in evidence.present(TASK):
        numbers = [attempt["number"] for attempt in task.attempts]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{task.name}: attempts {numbers}"
        if task.is_terminal:
            yield from _unrecorded(task, evidence, set(numbers))
        counted = [a for a in task.closed if a.get("errorType") not in UNCOUNTED and a.get("counted") is not False]
        if len(counted) > _retries(task, evidence) + 1:
            yield f"{task.name}: {len(counted)} attempts, {_retries(task, evidence)} retries are allowed"


def i4_no_orphans(evidence: Evidence) -> Iterator[str]:
    """Nothing is left of what was deleted."""
    for leftover in evidence.leftovers:
        for uid in evidence.deleted:
            if uid in leftover:
                yield f"{leftover} is left of a deleted object"


def i5_own_namespace(evidence: Evidence) -> Iterator[str]:
    """Nothing is written outside the namespaces of agents and tasks, but the signing key and the Lease."""
    for write in evidence.writes:
        is_own = write.namespace == evidence.operator_namespace and (write.verb, write.resource) in OWN_WRITES
        if write.namespace not in evidence.namespaces and not is_own:
            yield f"{write.verb} {write.resource} {write.namespace}/{write.name}"


def i6_no_crash(evidence: Evidence) -> Iterator[str]:
    """The operator ends only when it is told to, and meets nothing that it does not expect."""
    yield from evidence.ends
    for line in evidence.log_lines:
        traceback = str(line.get("traceback", ""))
        if traceback and EXPECTED_TRACEBACK not in traceback:
            yield f"the operator logged a traceback: {line.get('message')}: {traceback[-300:]}"


def i7_no_secret(evidence: Evidence) -> Iterator[str]:
    """No value of a secret stands in an object, an event, a log, a metric or a command line."""
    for place, text in evidence.texts.items():
        for number, secret in enumerate(evidence.secrets):
            if secret in text:
                yield f"secret {number} stands in {place}"


def i8_true_conditions(evidence: Evidence) -> Iterator[str]:
    """Conditions agree with the phase and with each other, and never speak of a generation that is not there yet."""
    for sighting in evidence.sightings:
        yield from _task_conditions(sighting) if sighting.kind == TASK else _agent_conditions(sighting)
        generation = sighting.body["metadata"].get("generation", 1)
        seen = [sighting.status.get("observedGeneration", 0)]
        seen += [each.get("observedGeneration", 0) for each in sighting.status.get("conditions") or []]
        if max(seen) > generation:
            yield f"{sighting.name}: observed generation {max(seen)} of {generation}"
    for present in evidence.present(AGENT):
        observed, generation = present.status.get("observedGeneration"), present.body["metadata"]["generation"]
        if observed != generation:
            yield f"{present.name}: the present generation {generation} was not observed, but {observed}"


INVARIANTS: dict[str, Checker] = {
    "I1 settled": i1_settled,
    "I2 one result": i2_one_result,
    "I2 kept results": i2_kept_results,
    "I2 phases": i2_phases,
    "I3 one execution": i3_one_execution,
    "I4 no orphans": i4_no_orphans,
    "I5 own namespace": i5_own_namespace,
    "I6 no crash": i6_no_crash,
    "I7 no secret": i7_no_secret,
    "I8 true conditions": i8_true_conditions,
}


def broken(evidence: Evidence) -> list[str]:
    """Return all that breaks an invariant."""
    return [f"{name}: {found}" for name, check in INVARIANTS.items() for found in check(evidence)]


def _one_success(task: Sighting) -> Iterator[str]:
    outcomes = [attempt.get("outcome") for attempt in task.attempts]
    successes = Counter(outcomes)["Succeeded"]
    if successes > 1 or (successes == 1 and outcomes[-1] != "Succeeded"):
        yield f"{task.name}: outcomes {outcomes}"
    if task.is_terminal and (task.phase == "Succeeded") != (successes == 1):
        yield f"{task.name} is {task.phase} with outcomes {outcomes}"
    if task.is_terminal and "Running" in outcomes:
        yield f"{task.name} is {task.phase} with an attempt that runs"


def _unstored(task: Sighting, looks: Sequence[frozenset[str]]) -> Iterator[str]:
    """Tell of a large result that a look at the object store found and a later one did not, or the last one lacks."""
    ref = task.status.get("resultRef")
    if task.phase != "Succeeded" or not ref or not looks:
        return
    name = f"{ref['bucket']}/{ref['name']}"
    first = next((number for number, look in enumerate(looks) if name in look), len(looks) - 1)
    if any(name not in look for look in looks[first:]):
        yield f"{task.name}: its result {name} is gone from the object store"


def _may_follow(before: Sighting, after: Sighting) -> bool:
    old, new = before.phase, after.phase
    if old == new or old is None or before.is_terminal:  # a changed terminal status is the other rule's matter
        return True
    if new in WAITING and old == "Running":
        return new != "Pending" and len(after.closed) > len(before.closed)
    return not (old == "Queued" and new == "Pending") and new is not None


def _retries(task: Sighting, evidence: Evidence) -> int:
    spec = task.body["spec"]
    own: int | None = (spec.get("retryPolicy") or {}).get("maxRetries")
    if own is not None:
        return own
    home = task.body["metadata"]["namespace"], spec["agentRef"]["name"]
    policies = [
        (agent.body["spec"].get("taskDefaults") or {}).get("retryPolicy") or {}
        for agent in evidence.sightings
        if agent.kind == AGENT and (agent.body["metadata"]["namespace"], agent.body["metadata"]["name"]) == home
    ]
    return max((policy.get("maxRetries", DEFAULT_RETRIES) for policy in policies), default=DEFAULT_RETRIES)


def _unrecorded(task: Sighting, evidence: Evidence, numbers: set[int]) -> Iterator[str]:
    for request_id in evidence.executions:
        uid, _, number = request_id.rpartition(".")
        if uid == task.uid and int(number) not in numbers:
            yield f"{task.name}: attempt {number} was executed and is not recorded"


def _task_conditions(task: Sighting) -> Iterator[str]:
    for phase, type_ in (("Succeeded", "Complete"), ("Failed", "Failed")):
        says = task.condition(type_).get("status") == "True"
        if says != (task.phase == phase):
            yield f"{task.name}: {task.phase} with {type_}={says}"


def _agent_conditions(agent: Sighting) -> Iterator[str]:
    conditions: list[Body] = agent.status.get("conditions") or []
    if not conditions:
        return
    others = [each["status"] for each in conditions if each["type"].endswith("Ready") and each["type"] != "Ready"]
    if agent.condition("Ready").get("status") == "True" and set(others) != {"True"}:
        yield f"{agent.name} is Ready although not all of its parts are"


def _difference(before: Body, after: Body) -> str:
    keys = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return ", ".join(f"{key}: {str(before.get(key))[:80]} -> {str(after.get(key))[:80]}" for key in sorted(keys))
