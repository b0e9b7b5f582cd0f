"""KubeRay's RayJobs that do nothing, on a Ray cluster that exists."""

import asyncio

from bench.experiment import Sample
from bench.experiments.tasks import objects_in_waves, singles
from bench.kube.kinds import Kind, ray_jobs
from bench.systems.cluster import ClusterSystem

HTTP_WAVE = 10
"""RayJobs at once that a small Ray head bears: more drivers at once fail for lack of memory."""


def single(system: ClusterSystem, mode: str, count: int) -> list[Sample]:
    """Return the time from create to SUCCEEDED of each of ``count`` RayJobs, one after another."""
    return asyncio.run(singles(system.api, _kind(system, mode), system.ray_cluster, count)).single_samples()


def waves(system: ClusterSystem, mode: str, count: int, size: int) -> list[Sample]:
    """Return the throughput of RayJobs, ``size`` at once."""
    return objects_in_waves(system.api, _kind(system, mode), system.ray_cluster, count, size)


def _kind(system: ClusterSystem, mode: str) -> Kind:
    return ray_jobs(system.namespace, mode)
