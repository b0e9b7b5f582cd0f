"""Arguments and variables of the entrypoints, without a start of Ray or a connection."""

import subprocess
import sys

import pytest

from cognitive_runtime.__main__ import _executor_settings, _parser, main

EXECUTOR = ["executor", "--namespace", "default", "--agent-uid", "a1"]


def test_the_operators_entrypoint_is_understood() -> None:
    arguments = ["--workers", "2", "--concurrency", "8", "--require-secret", "key", "--require-secret", "nats.creds"]
    found = _executor_settings(_parser().parse_args([*EXECUTOR, *arguments]))
    assert (found.namespace, found.agent_uid, found.workers, found.concurrency) == ("default", "a1", 2, 8)
    assert found.required_secrets == ("key", "nats.creds")
    assert not found.shared_quota
    assert _executor_settings(_parser().parse_args([*EXECUTOR, "--shared-ledger"])).shared_quota


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        ([], "COMMAND"),
        (["executor"], "--namespace"),
        ([*EXECUTOR, "--workers", "0"], "'0' is not a number from 1 on"),
        ([*EXECUTOR, "--require-secret", "../other/key"], "plain file name"),
        ([*EXECUTOR, "--grace-seconds", "nan"], "'nan' is not a number of seconds"),
        (["attempt"], "SUBJECT"),
        (["attempt", "agent.request.default.a1.t1"], "agent.request.<namespace>"),
    ],
)
def test_what_is_wrong_is_named(argv: list[str], names: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        _parser().parse_args(argv)
    assert caught.value.code == 2
    assert names in capsys.readouterr().err


def test_a_missing_variable_ends_with_2_and_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COGNITIVE_NATS_URL", raising=False)
    assert main(["attempt", "agent.request.default.a1.t1.1"]) == 2
    assert "COGNITIVE_NATS_URL" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_a_wait_for_the_broker_that_is_no_time_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COGNITIVE_NATS_URL", "nats://127.0.0.1:1")
    monkeypatch.setenv("COGNITIVE_SUBMISSION_ID", "ct-1")
    monkeypatch.setenv("COGNITIVE_BROKER_WAIT_S", text)
    assert main(["attempt", "agent.request.default.a1.t1.1"]) == 2
    assert f"COGNITIVE_BROKER_WAIT_S is '{text}', expected a number of seconds" in capsys.readouterr().err


def test_help_names_commands_variables_and_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for word in (
        "executor",
        "attempt",
        "COGNITIVE_NATS_URL",
        "COGNITIVE_SPOOL_DIR",
        "COGNITIVE_BROKER_WAIT_S",
        "exit status",
    ):
        assert word in shown


@pytest.mark.parametrize(
    ("module", "absent"),
    [("cognitive_runtime.__main__", {"ray", "dspy", "openai"}), ("cognitive_runtime.bootstrap.job", {"ray", "dspy"})],
)
def test_a_process_loads_only_what_it_needs(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not absent & set(loaded)
