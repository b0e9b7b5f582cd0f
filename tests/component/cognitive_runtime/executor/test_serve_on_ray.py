"""A core on Ray Serve and agents as actors, on a real Ray."""

from collections.abc import Iterator

import pytest

from servers.ray_head import RayHead, RaySettings
from support.cluster.ray_driver import drive
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.component, pytest.mark.ray_extended, pytest.mark.timeout(300)]
SCENARIOS = "support.cluster.serve_scenarios"


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    """The model that the nodes of ``head`` are set to."""
    with ScriptedModel() as server:
        yield server


@pytest.fixture(scope="module")
def head(model: ScriptedModel) -> Iterator[RayHead]:
    """A head whose nodes have the settings of the model."""
    with RayHead.start(RaySettings(variables=_settings(model))) as server:
        yield server


@pytest.mark.parametrize("scenario", ["same_shape", "conflicts", "token", "many_calls_and_autoscaling"])
def test_a_core_on_serve(scenario: str, head: RayHead, model: ScriptedModel) -> None:
    model.reset()
    drive(head, SCENARIOS, scenario, **_settings(model))


@pytest.mark.parametrize("scenario", ["typed_errors_and_cancellation", "dead_replica"])
def test_a_core_on_serve_with_a_scripted_model(scenario: str, head: RayHead, model: ScriptedModel) -> None:
    model.reset()
    drive(head, SCENARIOS, scenario, model.url, **_settings(model))


def _settings(model: ScriptedModel) -> dict[str, str]:
    return {
        "LLM_PROVIDER": "local",
        "LLM_MODEL": "scripted",
        "LLM_API_BASE": model.url,
        "LLM_MAX_RETRIES": "0",
        "LLM_ENABLE_CACHING": "false",
        "LLM_RATE_LIMIT_REQUESTS_PER_MINUTE": "10000",
        "LLM_RATE_LIMIT_TOKENS_PER_MINUTE": "100000000",
    }
