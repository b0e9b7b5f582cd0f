import pytest

from cognitive_runtime.adapters.nats.subjects import RequestSubject, parse_request_subject


def test_a_subject_names_its_attempt_and_reads_back() -> None:
    subject = "agent.request.default.a1.t1.12"
    found = parse_request_subject(subject)
    assert found == RequestSubject("default", "a1", "t1", 12)
    assert (str(found), found.attempt_id) == (subject, "t1.12")


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "agent.request.default.a1.t1",
        "agent.request.default.a1.t1.1.1",
        "agent.response.default.a1.t1.1",
        "agent.request.default.a1.t1.0",
        "agent.request.default.a1.t1.-1",
        "agent.request.default.a1.t1.²",
        "agent.request.default.a1.t1.one",
        "agent.request.default..t1.1",
        "agent.request.default.*.t1.1",
        "agent.request.default.a1.>.1",
        "agent.request.default.a 1.t1.1",
    ],
)
def test_anything_else_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match=r"agent|attempt|wildcard"):
        parse_request_subject(subject)
