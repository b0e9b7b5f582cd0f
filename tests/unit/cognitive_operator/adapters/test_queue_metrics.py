"""The metrics of the queues, as Prometheus reads them, and the settings of the bounds."""

import pytest
from prometheus_client import generate_latest

from cognitive_operator.adapters.telemetry.metrics import PrometheusMetrics
from cognitive_operator.config import ConfigError, config_from
from cognitive_operator.ports.telemetry import QueueSample


def shown(metrics: PrometheusMetrics) -> list[str]:
    return [line for line in generate_latest(metrics.registry).decode().splitlines() if "team" in line]


def test_each_queue_has_its_depth_its_running_tasks_and_its_oldest_age() -> None:
    metrics = PrometheusMetrics(0)
    metrics.set_queues([QueueSample("team", "sre", 3, 2, 41.5)])
    assert shown(metrics) == [
        'cognitive_queued_tasks{agent="sre",namespace="team"} 3.0',
        'cognitive_active_tasks{agent="sre",namespace="team"} 2.0',
        'cognitive_queue_oldest_task_age_seconds{agent="sre",namespace="team"} 41.5',
    ]


def test_an_agent_that_is_gone_is_not_shown() -> None:
    metrics = PrometheusMetrics(0)
    metrics.set_queues([QueueSample("team", "sre", 3, 2, 41.5)])
    metrics.set_queues([])
    assert shown(metrics) == []


def test_the_bounds_of_a_ray_cluster_are_settings() -> None:
    config = config_from({})
    assert (config.ray_jobs, config.ray_tasks) == (8, None)
    config = config_from({"COGNITIVE_RAY_JOBS": "2", "COGNITIVE_RAY_TASKS": "64"})
    assert (config.ray_jobs, config.ray_tasks) == (2, 64)


def test_the_waiting_tasks_of_a_namespace_are_a_setting() -> None:
    assert config_from({}).namespace_queued_tasks == 25_000
    assert config_from({"COGNITIVE_NAMESPACE_QUEUED_TASKS": "7"}).namespace_queued_tasks == 7
    with pytest.raises(ConfigError, match="COGNITIVE_NAMESPACE_QUEUED_TASKS"):
        config_from({"COGNITIVE_NAMESPACE_QUEUED_TASKS": "0"})


@pytest.mark.parametrize("value", ["0", "-1", "many", "100001"])
def test_a_bound_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="COGNITIVE_RAY_TASKS"):
        config_from({"COGNITIVE_RAY_TASKS": value})
