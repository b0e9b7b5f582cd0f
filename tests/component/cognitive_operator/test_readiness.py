"""The readiness probe beside the metrics."""

from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from cognitive_operator.adapters.telemetry.metrics import PrometheusMetrics
from servers.ports import free_ports


@pytest.fixture
def port() -> int:
    """A port that no outgoing connection of another process takes before the server listens."""
    (found,) = free_ports(1)
    return found


def test_readiness_and_a_metric_tell_that_the_api_server_is_away(port: int) -> None:
    metrics, url = PrometheusMetrics(port), f"http://127.0.0.1:{port}"
    try:
        with urlopen(f"{url}/readyz", timeout=5) as ready:
            assert ready.status == 200
        metrics.set_api_server(False)
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{url}/readyz", timeout=5)
        with refused.value:
            told = b"the API server does not answer: check it, and the network from the operator to it\n"
            assert (refused.value.code, refused.value.read()) == (503, told)
        with urlopen(f"{url}/metrics", timeout=5) as text:
            assert b"cognitive_operator_api_server_available 0.0" in text.read()
    finally:
        metrics.close()


def test_readiness_and_a_metric_name_a_lost_namespace_and_only_the_loss_of_all_makes_it_unready(
    port: int,
) -> None:
    metrics, url = PrometheusMetrics(port), f"http://127.0.0.1:{port}"
    try:
        metrics.set_namespace("a", "403 cannot list")
        metrics.set_namespace("b", None)
        with urlopen(f"{url}/readyz", timeout=5) as ready:
            told = (
                b"namespace a is lost, its tasks wait: 403 cannot list; grant the operator its rights there again, or "
                b"remove the namespace from COGNITIVE_WATCH_NAMESPACES if it no longer exists\n"
            )
            assert (ready.status, ready.read()) == (200, told)
        with urlopen(f"{url}/metrics", timeout=5) as text:
            content = text.read()
        assert b'cognitive_operator_namespace_available{namespace="a"} 0.0' in content
        assert b'cognitive_operator_namespace_available{namespace="b"} 1.0' in content
        metrics.set_namespace("b", "404")
        with pytest.raises(HTTPError) as refused:
            urlopen(f"{url}/readyz", timeout=5)
        refused.value.close()
        assert refused.value.code == 503
    finally:
        metrics.close()
