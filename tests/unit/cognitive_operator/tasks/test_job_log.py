"""The cause that a job's log tells at its end, without secrets and without texts of models."""

import json

import pytest

from cognitive_operator.api.conditions import Reason
from cognitive_operator.plan.job_log import SHOWN_CHARS, JobCause, ended_job, read_log, redacted
from cognitive_operator.ports.ray import RayJob

CAUSE = "No connection to the broker at nats://nats:4222: Connection refused."


def line(event: str, message: str, **fields: str) -> str:
    return json.dumps({"time": "2026", "level": "WARNING", "message": message, "event": event, **fields})


def test_the_last_event_about_the_broker_counts() -> None:
    log = [
        line("BrokerUnreachable", "older"),
        line("BrokerUnreachable", CAUSE),
        line("WorkerStarted", "started"),
    ]
    assert read_log("\n".join(log)) == JobCause(Reason.BROKER_UNREACHABLE, CAUSE)
    log.append(line("CredentialsNotMounted", "no file"))
    assert read_log("\n".join(log)) == JobCause(Reason.CREDENTIALS_NOT_MOUNTED, "no file")


def test_a_broker_that_was_reached_later_is_no_cause() -> None:
    log = [line("BrokerUnreachable", CAUSE), line("BrokerConnected", "connected to the broker"), "Killed"]
    assert read_log("\n".join(log)) == JobCause(None, "connected to the broker Killed")


def test_rays_prefixes_colours_and_notes_are_no_part_of_a_line() -> None:
    told = line("BrokerUnreachable", CAUSE)
    log = f"\x1b[36m(WorkerActor pid=12, ip=10.0.0.1)\x1b[0m {told} [repeated 2x across cluster]\n"
    assert read_log(log) == JobCause(Reason.BROKER_UNREACHABLE, CAUSE)


def test_the_last_lines_are_shown_and_of_json_only_the_message() -> None:
    spoken = line("ModelCall", "model called", answer="what the model said")
    assert read_log(f"first\n{spoken}\nModuleNotFoundError: No module named 'x'\n\n") == JobCause(
        None, "model called ModuleNotFoundError: No module named 'x'"
    )
    assert read_log("") == read_log('{"event": 1}') == JobCause(None, "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at nats://user:s3cr3t@nats:4222 now", "at nats://nats:4222 now"),
        ("GET https://h/p?key=s3cr3t&x=s3cr3t", "GET https://h/p?key=…&x=…"),
        ("Authorization: Bearer s3cr3t.x", "Authorization: … …"),
        ("OPENAI_API_KEY=s3cr3t done", "OPENAI_API_KEY=… done"),
        ('{"password": "s3cr3t"}', '{"password": "…"}'),
        ("eyJhbGciOiJFZDI1NTE5In0.eyJqdGkiOiJ.s3cr3t", "…"),
        ("seed SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY", "seed …"),
        ("key sk-proj-s3cr3t000 refused", "key … refused"),
        ("a" * 64, "…"),
        ("no\ttabs\nor lines\x00", "no tabs or lines\ufffd"),
        ("ca-11111111-1111-1111-1111-111111111111-0a1b2c3d-1", "ca-11111111-1111-1111-1111-111111111111-0a1b2c3d-1"),
        ("/var/run/secrets/cognitive/1111/nats.creds", "/var/run/secrets/cognitive/1111/nats.creds"),
        (
            "The broker requires credentials, and a token is absent",
            "The broker requires credentials, and a token is absent",
        ),
    ],
)
def test_secrets_are_cut_out(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_the_end_of_a_long_text_is_kept() -> None:
    found = redacted("word " * 1000 + "the cause")
    assert (len(found), found[0], found[-9:]) == (SHOWN_CHARS, "…", "the cause")


def ended(message: str, code: int | None = 1) -> RayJob:
    return RayJob("ca-1", "FAILED", message, exit_code=code)


def test_the_end_of_a_job_is_told_by_its_exit_code_and_the_last_line_of_its_log() -> None:
    head = "Job entrypoint command failed with exit code 6, last available logs (truncated to 20,000 chars):"
    log = f"{head}\nfirst\n{line('BrokerUnreachable', CAUSE)}\n"
    assert ended_job(ended(log, 6)) == JobCause(Reason.BROKER_UNREACHABLE, CAUSE)
    assert ended_job(ended(f"{head}\n", 7)) == JobCause(Reason.CREDENTIALS_NOT_MOUNTED, head)
    shown = f"{head.rstrip(':')}: killed by the kernel"
    assert ended_job(ended(f"{head}\nkilled by the kernel\n", 137)) == JobCause(None, shown)
    assert ended_job(ended("Job was intentionally stopped.", None)) == JobCause(None, "Job was intentionally stopped.")
