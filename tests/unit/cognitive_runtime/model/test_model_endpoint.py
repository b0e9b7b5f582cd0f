from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cognitive_runtime.adapters.model.endpoint import base_url, printable
from cognitive_runtime.adapters.model.failures import parse_retry_after


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://vllm:8000", "http://vllm:8000/v1"),
        ("http://vllm:8000/", "http://vllm:8000/v1"),
        ("http://vllm:8000/v1", "http://vllm:8000/v1"),
        ("http://vllm:8000/v1/", "http://vllm:8000/v1"),
        ("http://vllm:8000/v1/chat/completions", "http://vllm:8000/v1"),
        ("http://gateway/llm", "http://gateway/llm/v1"),
        ("http://gateway/llm/v1", "http://gateway/llm/v1"),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        (" https://api.openai.com/v1 ", "https://api.openai.com/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_urls_with_and_without_a_version_both_work(url: str, expected: str) -> None:
    assert base_url(url) == expected


def test_a_printed_url_holds_no_secret() -> None:
    assert printable("https://user:password@host/v1?key=secret#x") == "https://host/v1"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], expected: float | None) -> None:
    assert parse_retry_after(headers) == expected


def test_retry_after_is_read_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    found = parse_retry_after({"retry-after": later})
    assert found is not None
    assert 25 < found <= 30
