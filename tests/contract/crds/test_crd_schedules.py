"""The CRD of schedules beside that of tasks, the operator's view and what the operator writes."""

from datetime import UTC, datetime
from typing import Any, get_args

import jsonschema
import yaml

from cognitive_operator.api.conditions import Condition, Reason, ScheduleCondition
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.names import SCHEDULE_LABEL
from cognitive_operator.api.resource_model import ResourceModel
from cognitive_operator.api.schedule_run import ScheduleRun
from cognitive_operator.api.schedules import (
    ConcurrencyPolicy,
    Schedule,
    ScheduleSpec,
    ScheduleStatus,
    TaskTemplate,
    TemplateMetadata,
    Totals,
)
from cognitive_operator.desired.scheduled_task import desired_run
from cognitive_operator.plan.schedule.cron import MACROS
from cognitive_operator.status.schedule import ScheduleFacts, schedule_status
from reference.__main__ import SCHEDULES, schedules_manifest
from reference.template import template_of
from support.builders.crd_objects import task
from support.builders.crd_schema import ROOT, Schema, crd, defaulted, part, strict

SPEC = part("CognitiveSchedule", "spec")
STATUS = part("CognitiveSchedule", "status")
TEMPLATE = SPEC["properties"]["taskTemplate"]
PAGE = (ROOT / "docs" / "concepts" / "schedules.md").read_text(encoding="utf-8")
AT = datetime(2026, 11, 21, 6, 10, tzinfo=UTC)
LEAST = {"schedule": "@daily", "taskTemplate": {"spec": task()["spec"]}}


def schedule(status: dict[str, Any] | None = None) -> Schedule:
    meta = {"name": "scan", "namespace": "team", "uid": "u", "creationTimestamp": AT.isoformat()}
    return Schedule.model_validate({"metadata": meta, "spec": LEAST, "status": status or {}})


def names(view: type[ResourceModel]) -> set[str]:
    return {str(field.alias) for field in view.model_fields.values()}


def properties(schema: Schema) -> set[str]:
    return set(schema["properties"])


def test_the_template_is_a_tasks_spec() -> None:
    assert TEMPLATE["properties"]["spec"] == template_of(crd("CognitiveTask"))
    assert SCHEDULES.read_text(encoding="utf-8") == schedules_manifest(), "run `make generate`"


def test_the_template_has_the_rules_of_a_task_but_for_those_of_its_immutability() -> None:
    rules = part("CognitiveTask", "spec")["x-kubernetes-validations"]
    kept = [rule["rule"] for rule in TEMPLATE["properties"]["spec"]["x-kubernetes-validations"]]
    of_creation = "oldSelf.hasValue() || ("
    assert [f"{of_creation}{rule})" for rule in kept] == [r["rule"] for r in rules if r["rule"].startswith(of_creation)]
    assert kept
    assert "optionalOldSelf" not in yaml.safe_dump(SPEC)
    assert "oldSelf" not in yaml.safe_dump(SPEC)


def test_the_operator_reads_every_field_and_no_other() -> None:
    assert names(ScheduleSpec) == properties(SPEC)
    assert names(TaskTemplate) == properties(TEMPLATE)
    assert names(TemplateMetadata) == properties(TEMPLATE["properties"]["metadata"])
    assert names(Totals) == properties(STATUS["properties"]["totals"])
    assert names(ScheduleStatus) <= properties(STATUS)


def test_the_operator_assumes_the_defaults_of_the_crd() -> None:
    assert ScheduleSpec.model_validate(LEAST) == ScheduleSpec.model_validate(defaulted(LEAST, SPEC))


def test_values_are_those_of_the_code() -> None:
    assert SPEC["properties"]["concurrencyPolicy"]["enum"] == list(get_args(ConcurrencyPolicy))
    assert [macro for macro in MACROS if macro not in SPEC["properties"]["schedule"]["description"]] == []
    assert [macro for macro in MACROS if macro[1:] not in SPEC["properties"]["schedule"]["pattern"]] == []
    assert SCHEDULE_LABEL in TEMPLATE["properties"]["metadata"]["description"]


def test_conditions_and_reasons_are_explained() -> None:
    description = STATUS["properties"]["conditions"]["description"]
    reasons = (Reason.SUSPENDED, Reason.INVALID_SCHEDULE, Reason.UNKNOWN_TIME_ZONE, Reason.TASK_REFUSED)
    assert [each for each in ScheduleCondition if f"{each}:" not in description] == []
    assert [each for each in reasons if each not in description] == []
    assert [each for each in (Reason.SCHEDULED, *reasons) if f"| `{each}` |" not in PAGE] == []


def test_what_the_operator_writes_is_kept_and_every_field_is_written() -> None:
    ended = ScheduleRun("b", "scan-1", "1", AT, "Succeeded", "Succeeded", AT, 7, 0.5)
    facts = ScheduleFacts(
        schedule=schedule(),
        raw_status={},
        condition=Condition.true(ScheduleCondition.READY, Reason.SCHEDULED, "It runs."),
        runs=[ScheduleRun("a", "scan-2", "1", AT), ended],
        gone=[],
        next=AT,
        now="2026-11-21T06:10:00Z",
        handled=AT,
        is_started=True,
    )
    written = merge_patch({}, schedule_status(facts))
    jsonschema.validate(written, strict(STATUS))
    assert set(written) == properties(STATUS)
    for name in ("active", "runs"):
        assert set(written[name][0]) == properties(STATUS["properties"][name]["items"])
    assert ScheduleStatus.model_validate(written).totals == Totals(started=1, succeeded=1, tokens=7, energy=0.5)


def test_the_task_of_a_run_is_one() -> None:
    jsonschema.validate(desired_run(schedule(), AT)["spec"], strict(part("CognitiveTask", "spec")))
