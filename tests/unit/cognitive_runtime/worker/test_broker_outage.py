"""The sentence about a broker that cannot be reached: URL, cause and file, and no secret."""

import socket
from pathlib import Path

import nats.errors
import pytest

from cognitive_runtime.adapters.nats.outage import broker_problem, credentials_file, redacted
from cognitive_runtime.bootstrap.exit_codes import JobExit, exit_of

URLS = ["nats://user:s3cr3t@nats.nats.svc:4222", "tls://token-s3cr3t@other:4223/path?key=s3cr3t"]
SHOWN = "nats://nats.nats.svc:4222, tls://other:4223"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 4222)"), "Connection refused"),
        (OSError(113, "Multiple exceptions: [Errno 113] No route to host"), "No route to host"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (TimeoutError(), "no answer in time"),
        (nats.errors.TimeoutError(), "no answer in time"),
        (nats.errors.NoServersError(), "no server answers"),
        (nats.errors.Error("nats: 'maximum connections exceeded'"), "nats: 'maximum connections exceeded'"),
        (ValueError("s3cr3t"), "ValueError"),
    ],
)
def test_the_message_has_the_url_and_the_cause(error: Exception, cause: str) -> None:
    problem = broker_problem(URLS, [], error)
    assert problem.message == f"No connection to the broker at {SHOWN}: {cause}."
    assert (problem.event, exit_of(problem)) == ("BrokerUnreachable", JobExit.BROKER_UNREACHABLE)


def test_absent_credentials_are_named_by_their_paths(tmp_path: Path) -> None:
    paths = [tmp_path / "a1" / "nats.creds", tmp_path / "a1.nats.creds"]
    paths[1].write_text("")
    problem = broker_problem(URLS, paths, nats.errors.Error("nats: 'Authorization Violation'"))
    files = f"{paths[0]} and {paths[1]}"
    expected = f"The broker at {SHOWN} requires credentials, and these files are absent or empty: {files}."
    assert problem.message == expected
    assert (problem.event, exit_of(problem)) == ("CredentialsNotMounted", JobExit.CREDENTIALS_NOT_MOUNTED)


def test_refused_credentials_are_not_absent_ones(tmp_path: Path) -> None:
    path = tmp_path / "nats.creds"
    path.write_text("s3cr3t")
    problem = broker_problem(URLS, [tmp_path / "absent", path], nats.errors.AuthorizationError())
    assert problem.message == f"The broker at {SHOWN} refuses the credentials in {path}."
    assert problem.event == "BrokerUnreachable"
    anonymous = broker_problem(URLS, [], nats.errors.AuthorizationError())
    assert anonymous.message == f"The broker at {SHOWN} refuses a connection without credentials."


def test_the_first_file_with_content_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert credentials_file([first, second]) is None
    second.write_text("x")
    first.write_text("")
    assert credentials_file([first, second]) == second
    first.write_text("x")
    assert credentials_file([first, second]) == first


def test_a_url_that_is_none_is_not_quoted() -> None:
    assert redacted("nats://[s3cr3t") == "an invalid URL"
    assert redacted("host:4222") == "nats://host:4222"
