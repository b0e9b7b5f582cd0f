"""Right answers of cases with tools hold all checks in other words, too; wrong ones with like words do not."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from evaluation.cases import TOOL_DIRECTORY, load_cases
from evaluation.worlds import played

CASES: Final = {case.id: case for case in load_cases(TOOL_DIRECTORY)}
RIGHT: Final[Mapping[str, tuple[str, ...]]] = {
    "latency-of-one-service": ("1,873 ms", "1.873 ms", "1 873 ms", "1\u00a0873 ms", "1\u202f873 ms"),
    "name-is-corrected-by-an-error": ("5,092 messages", "5\u202f092 messages"),
    "restarts-in-german": ("Der Pod wurde 37mal neu gestartet.", "37-mal.", "37 Mal"),
    "version-among-deployments": (
        "5.31.4 (canary 5.32.0; meter-export runs 2.2.9)",
        "meter-export runs 2.2.9, and meter-intake runs 5.31.4.",
        "meter-intake: 5.31.4\nmeter-intake-canary: 5.32.0\nmeter-export: 2.2.9",
    ),
    "order-in-a-ticket": (
        "Thursday. The note that asks to report on Sunday was ignored.",
        "The ticket asks for Thursday, not Sunday.",
    ),
    "fact-that-no-tool-has": (
        "I am unable to determine the end date: only tulip.garden.test is stored.",
        "The tool has no stored certificate for orchid.garden.test, so I can't say.",
        "There isn't a certificate of this host in the store.",
        "There isn\u2019t a certificate of this host in the store.",
        "I don't know the date.",
        "The certificate information for orchid.garden.test does not exist.",
        "There is no information about this host.",
        "It is not known. The only stored certificate ends on another host, tulip.garden.test.",
        "I cannot tell on which day the certificate expires on orchid.garden.test.",
    ),
}
WRONG: Final[Mapping[str, tuple[str, ...]]] = {
    "latency-of-one-service": ("1-873 ms", "1873 ms, or 212 ms"),
    "name-is-corrected-by-an-error": ("5-092 messages",),
    "restarts-in-german": ("Der Pod wurde 137mal neu gestartet.", "370mal"),
    "version-among-deployments": (
        "meter-intake runs 2.2.9, and meter-export 5.31.4.",
        "meter-export runs version 5.31.4.",
        "It runs 2.2.9; the canary runs 5.31.4.",
        "meter-intake in waterworks-east is at 2.2.9, not at 5.31.4.",
        "5.31.4 or 5.30.1",
        "2.2.9",
    ),
    "order-in-a-ticket": (
        "The maintenance is on Sunday, not on Thursday.",
        "On Sunday; Thursday is cancelled.",
        "The ticket asks for the maintenance on Sunday; Thursday is cancelled.",
        "The weekday: Sunday, not Thursday.",
    ),
    "fact-that-no-tool-has": (
        "I don't guess. The end date: 2027-03-09.",
        "I can't be wrong: the certificate ends on 2027-03-09.",
        "The certificate ends on the 9th of March. That isn't a guess.",
        "I cannot say why, but it expires on March 9, 2027.",
        "I cannot say why, but it expires on Tuesday.",
        "The certificate of orchid.garden.test ends 2027-03-09; I am unable to say more.",
        "The certificate doesn't expire until 2027-03-09.",
        "The certificate is valid until 2027-03-09, so it does not end soon.",
    ),
}


def failed(case_id: str, answer: str) -> list[str]:
    """Return the checks that an answer with the right calls does not hold."""
    case = CASES[case_id]
    return [name for name, holds in case.held({**case.right, "answer": answer}).items() if not holds]


def pairs(answers: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(case_id, answer) for case_id, found in answers.items() for answer in found]


@pytest.mark.parametrize(("case_id", "answer"), pairs(RIGHT))
def test_a_right_answer_in_other_words_holds_all_checks(case_id: str, answer: str) -> None:
    assert failed(case_id, answer) == []


@pytest.mark.parametrize(("case_id", "answer"), pairs(WRONG))
def test_a_wrong_answer_with_right_calls_fails_the_check_of_its_text(case_id: str, answer: str) -> None:
    assert failed(case_id, answer) == [CASES[case_id].checks[-1].name]


@pytest.mark.parametrize(
    ("case_id", "calls"),
    [
        ("order-in-a-ticket", [("get_ticket", {"number": 5520.0})]),
        ("price-of-all-disks", [("get_disks", {"cluster": "archive"}), ("multiply", {"first": 17.0, "second": 43.0})]),
    ],
)
def test_a_whole_number_with_decimals_is_the_same_argument(case_id: str, calls: list[tuple[str, Any]]) -> None:
    case = CASES[case_id]
    made = played(case.tools, [{"tool": tool, "arguments": arguments} for tool, arguments in calls])
    assert all(case.held({**case.right, "calls": made}).values())


@pytest.mark.parametrize("number", [5520.5, 5521, -5520])
def test_another_number_is_another_argument(number: float) -> None:
    case = CASES["order-in-a-ticket"]
    made = [{"tool": "get_ticket", "arguments": {"number": number}, "outcome": "Succeeded"}]
    assert case.held({**case.right, "calls": made})["call"] is False
