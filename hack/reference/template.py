"""Generates the task template of the schedules' CRD from the spec of the tasks' CRD; pure."""

import copy
from typing import Any, Final

import yaml

Schema = dict[str, Any]
BEGIN: Final = "# begin of what `make generate` writes from cognitivetasks.yaml; do not edit"
END: Final = "# end of what `make generate` writes"
PATH: Final = "spec.taskTemplate.spec"


def template_of(task_crd: Schema) -> Schema:
    """Return the schema of a task's spec for the template.

    A template may change, so the rules that compare with the old spec are omitted. Messages name the template's fields.
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
    rules = [rule for rule in schema.get("x-kubernetes-validations", []) if "oldSelf" not in rule["rule"]]
    for rule in rules:
        rule["message"] = rule["message"].replace("spec.", f"{PATH}.")
    if rules:
        schema["x-kubernetes-validations"] = rules
    else:
        schema.pop("x-kubernetes-validations", None)
    for child in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
        if isinstance(child, dict):
            _adapt(child)
