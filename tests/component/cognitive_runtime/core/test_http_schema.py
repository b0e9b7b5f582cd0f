"""The HTTP API keeps its own OpenAPI document, by schemathesis with a fixed seed."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cognitive_runtime.adapters.http.app import create_app
from cognitive_runtime.adapters.http.replies import STATUS_CODES
from cognitive_runtime.bootstrap.core_service import local_api
from cognitive_runtime.domain import ReasoningError
from cognitive_runtime.llm_config import LLMConfig
from support.servers.http_server import HttpServer
from support.servers.schema_check import TIMEOUT_S, violations
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
TOKEN = "t0ken"


def config(model: ScriptedModel) -> LLMConfig:
    return LLMConfig(
        provider="local",
        model="scripted",
        api_base=model.url,
        rate_limit_requests_per_minute=100_000,
        rate_limit_tokens_per_minute=10**9,
    )


@pytest.mark.timeout(TIMEOUT_S + 20)
def test_no_operation_violates_the_document(model: ScriptedModel, tmp_path: Path) -> None:
    with HttpServer(lambda: create_app(local_api(config(model), TOKEN, "cognitive_core"))) as server:
        found = violations(server.url, TOKEN, tmp_path)
    assert not found, found


def test_the_document_describes_each_operation_and_its_failures(model: ScriptedModel) -> None:
    document = TestClient(create_app(local_api(config(model), TOKEN, "cognitive_core"))).get("/openapi.json").json()
    calls = [path for path in document["paths"] if path.startswith("/dspy/") and path != "/dspy/status"]
    assert len(calls) == 6
    for path in calls:
        operation = document["paths"][path]["post"]
        assert set(operation["responses"]) >= {"200", "400", "401", "413", "422", "429", "502", "503", "504"}
        assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
        assert operation["requestBody"]["required"] is True
        assert operation["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/health"]["get"]


def test_each_error_type_has_a_status() -> None:
    def subclasses(kind: type[ReasoningError]) -> set[str]:
        found = {each.__name__ for each in kind.__subclasses__()}
        return found.union(*(subclasses(each) for each in kind.__subclasses__()))

    own = {name for name in subclasses(ReasoningError) if name != "RetryableReasoningError"}
    assert own <= set(STATUS_CODES)
    assert set(STATUS_CODES) - own == {"UnknownIncident"}
