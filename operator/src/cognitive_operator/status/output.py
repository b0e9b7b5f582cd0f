"""The condition that says whether a result's output satisfies the task's schema."""

from cognitive_operator.api.conditions import Reason, TaskCondition
from cognitive_operator.api.wire import Completed, Failed
from cognitive_operator.status.conditions import Condition

OUTPUT_INVALID = "OutputInvalid"
"""The class of the error on the wire."""


def output_conditions(is_wanted: bool, response: Completed | Failed | None) -> list[Condition]:
    """Return the condition of a task that ends by a response; none where there is nothing to tell."""
    if isinstance(response, Failed) and response.error_type == OUTPUT_INVALID:
        return [Condition.false(TaskCondition.OUTPUT_VALID, OUTPUT_INVALID, response.error)]
    if not is_wanted or not isinstance(response, Completed):
        return []
    if response.output_valid:
        message = "The output in the result satisfies spec.outputSchema."
        return [Condition.true(TaskCondition.OUTPUT_VALID, Reason.OUTPUT_CHECKED, message)]
    message = "The executor's version knows no spec.outputSchema: nobody checked the result."
    return [Condition.unknown(TaskCondition.OUTPUT_VALID, Reason.NOT_CHECKED, message)]
