"""Selection of the Ray job that is an agent's executor: submission, replacement and draining."""

from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.agent.ray.executor import outdated_executors, plan_executor
from cognitive_operator.ports.ray import RayJob
from support.builders import operator_objects as o


def job(settings: str, start: int, status: str = "RUNNING", message: str = "") -> RayJob:
    return RayJob(f"ca-{o.AGENT_UID}-{settings}-{start}", status, message)


def test_the_first_executor_is_submitted() -> None:
    plan = plan_executor(o.AGENT_UID, "aaaaaaaa", [])
    assert plan.submit == f"ca-{o.AGENT_UID}-aaaaaaaa-1"


def test_a_running_executor_is_left_alone() -> None:
    running = job("aaaaaaaa", 1)
    plan = plan_executor(o.AGENT_UID, "aaaaaaaa", [running])
    assert (plan.current, plan.submit) == (running.submission_id, None)


def test_an_ended_executor_is_followed_by_the_next_start_and_its_message_is_told() -> None:
    jobs = [job("aaaaaaaa", 10, "FAILED", "out of memory"), job("aaaaaaaa", 9, "FAILED", "older")]
    plan = plan_executor(o.AGENT_UID, "aaaaaaaa", jobs)
    assert plan.submit == f"ca-{o.AGENT_UID}-aaaaaaaa-11"
    assert plan.failure == "out of memory"


def test_an_executor_that_ended_without_a_broker_is_known_while_the_next_one_starts() -> None:
    ended = RayJob(f"ca-{o.AGENT_UID}-aaaaaaaa-1", "FAILED", "", exit_code=6)
    plan = plan_executor(o.AGENT_UID, "aaaaaaaa", [ended, job("aaaaaaaa", 2)])
    assert (plan.cut_off, plan.failure, plan.is_running) == (ended, None, True)
    other = RayJob(f"ca-{o.AGENT_UID}-aaaaaaaa-1", "FAILED", "", exit_code=1)
    plan = plan_executor(o.AGENT_UID, "aaaaaaaa", [other, job("aaaaaaaa", 2, "PENDING")])
    assert (plan.cut_off, plan.is_running) == (None, False)


def lease(submission_id: str, *, ready: bool = True) -> Lease:
    return Lease(
        worker="w",
        agent_uid=o.AGENT_UID,
        submission_id=submission_id,
        mode="Embedded",
        started_at=o.NOW,
        renewed_at=o.NOW,
        ready=ready,
        capacity=8,
        runtime_version="0",
    )


def test_an_executor_with_old_settings_is_drained_only_when_the_new_one_is_ready() -> None:
    old, new = job("aaaaaaaa", 1).submission_id, job("bbbbbbbb", 1).submission_id
    assert outdated_executors(o.AGENT_UID, new, [lease(old), lease(new, ready=False)]) == []
    assert outdated_executors(o.AGENT_UID, new, [lease(old), lease(new)]) == [old]


def test_warm_slots_of_old_settings_are_drained_before_the_new_ones_are_ready() -> None:
    old, new = job("aaaaaaaa", 1).submission_id, job("bbbbbbbb", 1).submission_id
    assert outdated_executors(o.AGENT_UID, new, [lease(old)], at_once=True) == [old]
    assert outdated_executors(o.AGENT_UID, new, [lease(old), lease(new, ready=False)], at_once=True) == [old]
    assert outdated_executors(o.AGENT_UID, new, [lease(new)], at_once=True) == []


def test_without_a_wanted_executor_all_are_drained_but_no_attempt() -> None:
    old = job("aaaaaaaa", 1).submission_id
    assert outdated_executors(o.AGENT_UID, None, [lease(old), lease("ct-x-1")]) == [old]


def test_other_agents_jobs_and_foreign_names_are_ignored() -> None:
    others = [
        RayJob("ca-other-aaaaaaaa-1", "RUNNING", ""),
        RayJob("ct-x-1", "RUNNING", ""),
        RayJob("mine", "FAILED", ""),
    ]
    assert plan_executor(o.AGENT_UID, "aaaaaaaa", others).submit == f"ca-{o.AGENT_UID}-aaaaaaaa-1"


def test_only_the_last_three_ended_jobs_are_kept() -> None:
    jobs = [job("aaaaaaaa", n, "FAILED") for n in range(1, 6)]
    plan = plan_executor(o.AGENT_UID, "aaaaaaaa", jobs)
    assert plan.forget == (jobs[0].submission_id, jobs[1].submission_id)
