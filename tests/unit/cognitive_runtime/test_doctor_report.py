"""Report of the doctor, as text and as JSON."""

import json

from cognitive_runtime.application.checks import CheckResult
from cognitive_runtime.bootstrap.doctor.report import all_passed, as_json, as_text, without_secrets
from cognitive_runtime.domain.finding import failed, passed, skipped

FOUND = (
    CheckResult("broker", "broker", passed("nats-server 2.15.1"), 0.012),
    CheckResult("broker-login", "broker", failed("the broker refuses it", "renew nats.creds"), 0.2),
    CheckResult("model", "model", skipped("no model is named"), 0.0),
)


def test_text_has_a_line_for_each_check_and_a_hint_below_what_is_wrong() -> None:
    assert as_text(FOUND) == (
        "ok       broker        nats-server 2.15.1\n"
        "FAILED   broker-login  the broker refuses it\n"
        "                       -> renew nats.creds\n"
        "skipped  model         no model is named\n"
        "\n"
        "3 checks: 1 ok, 1 failed, 1 skipped"
    )


def test_json_has_the_same() -> None:
    told = json.loads(as_json(FOUND))
    assert (told["schema_version"], told["ok"]) == (1, False)
    assert told["checks"][1] == {
        "name": "broker-login",
        "group": "broker",
        "verdict": "failed",
        "message": "the broker refuses it",
        "hint": "renew nats.creds",
        "seconds": 0.2,
    }
    assert told["checks"][0]["hint"] is None


def test_a_skipped_check_is_no_failure() -> None:
    assert not all_passed(FOUND)
    assert all_passed((FOUND[0], FOUND[2]))


def test_a_secret_that_somebody_repeated_is_hidden() -> None:
    found = (CheckResult("model", "model", failed("key sk-12345 refused", "not sk-12345"), 0.1),)
    told = as_text(without_secrets(found, ["sk-12345"]))
    assert "sk-12345" not in told
    assert told.count("[hidden]") == 2


def test_what_a_server_says_cannot_draw_lines_of_its_own() -> None:
    found = (CheckResult("ray", "ray", failed("x\nok  all\x1b[31m well", "y"), 0.1),)
    assert as_text(found).splitlines()[0] == "FAILED   ray  x ok all [31m well"
