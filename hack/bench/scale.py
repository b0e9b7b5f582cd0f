"""Sizes of the benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Numbers of tasks, rates and rounds of a run."""

    name: str
    rounds: int
    minutes: float
    """Time limit of the run. Experiments that would not end in time are left out."""
    seconds: float
    """Duration of each rate."""
    rates: tuple[float, ...]
    """Tasks per second."""
    bursts: tuple[int, ...]
    """Numbers of tasks at once in Embedded and Serve mode."""
    job_bursts: tuple[int, ...]
    http_burst: int
    """Number of RayJobs in HTTPMode, and of tasks on the same cluster."""
    k8sjob_burst: int
    """Number of RayJobs in K8sJobMode."""
    pairs: int
    """Number of creates and status writes of the bare client."""
    singles: int
    """Number of tasks, one after another."""
    jobs: int
    """Number of tasks in Job mode, and of raw Ray jobs, one after another in a round."""
    backlog: int
    """Number of tasks of the noisy neighbour."""
    waiting: int
    """Number of waiting tasks of the hostile tenant."""
    tenant_seconds: float
    """Duration of the other tenant's rate, alone and beside the hostile one."""
    finished: tuple[int, ...]
    """Numbers of finished tasks at which the operator is restarted."""


FULL = Scale(
    name="full",
    rounds=5,
    minutes=120,
    seconds=10,
    rates=(1, 10, 30),
    bursts=(10, 100, 1000, 5000),
    job_bursts=(10, 100),
    http_burst=100,
    k8sjob_burst=10,
    pairs=1000,
    singles=20,
    jobs=1,
    backlog=500,
    waiting=20_000,
    tenant_seconds=60,
    finished=(0, 1000, 5000, 10000),
)
QUICK = Scale(
    name="quick",
    rounds=1,
    minutes=15,
    seconds=5,
    rates=(1, 10, 30),
    bursts=(10, 100, 1000),
    job_bursts=(10,),
    http_burst=20,
    k8sjob_burst=2,
    pairs=500,
    singles=10,
    jobs=1,
    backlog=200,
    waiting=1000,
    tenant_seconds=20,
    finished=(0, 1000),
)
TINY = Scale(
    name="tiny",
    rounds=1,
    minutes=15,
    seconds=3,
    rates=(1, 10),
    bursts=(20,),
    job_bursts=(2,),
    http_burst=2,
    k8sjob_burst=1,
    pairs=20,
    singles=3,
    jobs=1,
    backlog=20,
    waiting=40,
    tenant_seconds=5,
    finished=(0, 20),
)
"""Shows that every experiment works; its numbers say nothing."""
SCALES = {scale.name: scale for scale in (FULL, QUICK, TINY)}
