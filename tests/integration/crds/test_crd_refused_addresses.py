"""Addresses that the API server refuses: a text that is no URL, and a URL with a password."""

from typing import Any

import pytest

from support.builders.crd_objects import agent
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration
NO_URLS = [
    "llm.models.svc:8000",
    "ftp://llm.models.svc",
    "HTTP://llm.models.svc",
    "http://",
    "http:///v1",
    "http://:8000",
    "http://llm.models.svc:port/v1",
    "http://llm models.svc",
    "http://llm.models.svc/v 1",
    "http://llm.models.svc/v1?key=1",
    "http://llm.models.svc/v1#x",
    "http://llm.models.svc\n",
    "nats://llm.models.svc:4222",
]
WITH_SECRETS = ["http://user:hunter2@llm.models.svc/v1", "https://sk-123@llm.models.svc", "http://@llm.models.svc"]


@pytest.mark.parametrize("field", [("llm", "endpoint"), ("ray", "address")], ids=".".join)
@pytest.mark.parametrize("url", NO_URLS)
def test_an_address_that_is_no_url(default: Namespace, field: tuple[str, str], url: str) -> None:
    half, name = field
    spec: dict[str, Any] = {half: {name: url}}
    message = default.refusal(agent(**spec))
    assert f"spec.{half}.{name} must be a URL such as http://" in message


@pytest.mark.parametrize("field", [("llm", "endpoint"), ("ray", "address")], ids=".".join)
@pytest.mark.parametrize("url", WITH_SECRETS)
def test_an_address_with_a_password(default: Namespace, field: tuple[str, str], url: str) -> None:
    half, name = field
    spec: dict[str, Any] = {half: {name: url}}
    message = default.refusal(agent(**spec))
    assert f"spec.{half}.{name} must not hold a user or a password" in message
