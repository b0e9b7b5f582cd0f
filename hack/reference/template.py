"""Generates the task template of the schedules' CRD from the spec of the tasks' CRD; pure."""

import copy
import re
from typing import Any, Final

import yaml

Schema = dict[str, Any]
BEGIN: Final = "# begin of what `make generate` writes from cognitivetasks.yaml; do not edit"
END: Final = "# end of what `make generate` writes"
PATH: Final = "spec.taskTemplate.spec"
_OF_CREATION: Final = re.compile(r"oldSelf\.hasValue\(\) \|\| \((.*)\)", re.DOTALL)
"""A rule that the tasks' CRD evaluates only when a task is created."""


def template_of(task_crd: Schema) -> Schema:
    """Return the schema of a task's spec for the template.

    A template may change, so the rules that compare with the old spec are omitted, and the rules of the creation hold
    at each change. Messages name the template's fields.
    """
    (version,) = task_crd["spec"]["versions"]
    spec: Schema = copy.deepcopy(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
    _adapt(spec)
    return spec


def with_template(text: str, spec: Schema) -> str:
    """Return the manifest of the schedules' CRD with the template's spec between its two markers."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    indent = " " * (len(before) - len(before.rstrip(" ")))
    dumped = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=140)
    lines = "".join(f"{indent}{line}\n" for line in dumped.splitlines())
    return f"{before}{BEGIN}\n{lines}{indent}{END}{after}"


def _adapt(schema: Schema) -> None:
    found = [_of_every_change(rule) for rule in schema.get("x-kubernetes-validations", [])]
    rules = [rule for rule in found if "oldSelf" not in rule["rule"]]
    for rule in rules:
        rule["message"] = rule["message"].replace("spec.", f"{PATH}.")
    if rules:
        schema["x-kubernetes-validations"] = rules
    else:
        schema.pop("x-kubernetes-validations", None)
    for child in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
        if isinstance(child, dict):
            _adapt(child)


def _of_every_change(rule: Schema) -> Schema:
    """Return a rule of the creation without its condition, any other rule as it is."""
    of_creation = _OF_CREATION.fullmatch(rule["rule"])
    if of_creation is None:
        return rule
    return {name: value for name, value in rule.items() if name != "optionalOldSelf"} | {"rule": of_creation[1]}
