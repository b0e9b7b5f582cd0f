"""All experiments of a run, by the system that they measure."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from bench import names
from bench.experiment import Experiment, Sample, Suite
from bench.experiments import cold_starts, disturbances, floors, kopf_floor, rayjob, tasks, tenants
from bench.experiments.bursts import job_burst, measured_burst
from bench.experiments.restart import restart_with_finished
from bench.lazy_server import LazyServer
from bench.names import EMBEDDED, JOB, ON_CLUSTER, SERVE, WARM_SLOTS, burst, one, rate
from bench.scale import Scale
from bench.systems.cluster import ClusterSystem, cluster_system
from bench.systems.local import LocalSystem, local_system
from bench.workloads import agents

S = TypeVar("S")
AROUND_S = 5.0
"""Expected duration of what surrounds a measurement: the first tasks, and the deletion of all tasks."""
PER_SECOND, JOBS_PER_SECOND, FILLED_PER_SECOND = 25.0, 0.3, 60.0
"""Expected tasks per second: in a burst with its deletion, in Job mode, and when finished tasks are created."""
KOPF_RATE = 10.0
CALLS = 50
RESTART_S, TENANTS_S = 60.0, 90.0


def all_suites(scale: Scale) -> list[Suite]:
    """Return the suites in the order of their runs."""
    return [local_suite(scale), serve_suite(scale), cluster_suite(scale), restart_suite(scale), tenant_suite(scale)]


def local_suite(scale: Scale) -> Suite:
    """Return the experiments on the control plane of ``hack/``."""
    local = LazyServer(local_system)
    found = [
        *_warm_mode(local, scale, EMBEDDED, agents.EMBEDDED),
        *_job_mode(local, scale),
        *_floors(local, scale),
        *_single_costs(local, scale),
        *_disturbances(local, scale),
    ]
    return Suite("local", found, local.close)


def serve_suite(scale: Scale) -> Suite:
    """Return the experiments in Serve mode, on a system of their own: idle processes of Ray Serve take half a core."""
    local = LazyServer(local_system)
    return Suite("serve", _warm_mode(local, scale, SERVE, agents.SERVE), local.close)


def cluster_suite(scale: Scale) -> Suite:
    """Return the experiments on the cluster of KUBECONFIG: this project and KubeRay's RayJob."""
    lazy = LazyServer(cluster_system)
    embedded, http, k8sjob = f"{ON_CLUSTER}{EMBEDDED}", names.rayjob(names.HTTP_MODE), names.rayjob(names.K8SJOB_MODE)
    count, few, wave = scale.http_burst, scale.k8sjob_burst, rayjob.HTTP_WAVE
    specs: list[tuple[str, float, Callable[[ClusterSystem], Sequence[Sample]]]] = [
        (one(embedded), 1, partial(tasks.single_tasks, agent=agents.EMBEDDED, count=scale.singles)),
        (one(f"{ON_CLUSTER}{JOB}"), 5, partial(tasks.cold_tasks, agent=agents.JOB, count=scale.jobs)),
        (f"{ON_CLUSTER}{names.RAW_JOB}", 3, lambda system: floors.raw_ray_jobs(system.dashboard, scale.jobs)),
        (one(http), 4, partial(rayjob.single, mode=names.HTTP_MODE, count=scale.jobs)),
        (one(k8sjob), 10, partial(rayjob.single, mode=names.K8SJOB_MODE, count=scale.jobs)),
        (burst(embedded, count), count / PER_SECOND, partial(tasks.tasks_at_once, agent=agents.EMBEDDED, count=count)),
        (burst(http, count), 1.6 * count, partial(rayjob.waves, mode=names.HTTP_MODE, count=count, size=wave)),
        (burst(k8sjob, few), 7.0 * few, partial(rayjob.waves, mode=names.K8SJOB_MODE, count=few, size=few)),
    ]
    found = [_experiment(name, seconds, lazy, measure, needs_pods=True) for name, seconds, measure in specs]
    return Suite("cluster", found, lazy.close)


def restart_suite(scale: Scale) -> Suite:
    """Return the restarts with finished tasks, on a system of their own."""
    local = LazyServer(local_system)
    found = [
        _experiment(
            names.restart(count),
            RESTART_S + (count - before) / FILLED_PER_SECOND,
            local,
            partial(restart_with_finished, count=count),
        )
        for before, count in zip((0, *scale.finished), scale.finished, strict=False)
    ]
    return Suite("restart", found, local.close)


def tenant_suite(scale: Scale) -> Suite:
    """Return the measurement of one tenant beside another that means harm, on a system of their own."""
    lazy = LazyServer(partial(local_system, tenants.NAMESPACES))
    length, waiting = scale.tenant_seconds, scale.waiting
    seconds = TENANTS_S + 2 * length + waiting / FILLED_PER_SECOND
    measure = partial(tenants.two_tenants, seconds=length, waiting=waiting)
    return Suite("tenants", [_experiment(names.TENANTS, seconds, lazy, measure)], lazy.close)


def _warm_mode(local: LazyServer[LocalSystem], scale: Scale, name: str, agent: str) -> list[Experiment]:
    """Return latencies and bursts of a mode with warm workers."""
    length = scale.seconds
    return [
        _experiment(one(name), 1, local, partial(tasks.single_tasks, agent=agent, count=scale.singles)),
        *(
            _experiment(
                rate(name, each), length, local, partial(tasks.tasks_at_rate, agent=agent, rate=each, seconds=length)
            )
            for each in scale.rates
        ),
        *(
            _experiment(
                burst(name, count), count / PER_SECOND, local, partial(measured_burst, agent=agent, count=count)
            )
            for count in scale.bursts
        ),
    ]


def _job_mode(local: LazyServer[LocalSystem], scale: Scale) -> list[Experiment]:
    return [
        _experiment(one(JOB), 5, local, partial(tasks.cold_tasks, agent=agents.JOB, count=scale.jobs)),
        _experiment(
            one(WARM_SLOTS), 2, local, partial(tasks.single_tasks, agent=agents.WARM_SLOTS, count=scale.singles)
        ),
        *(
            # one round: Job mode is the slowest part, and its bursts say more about the machine than about the mode
            _experiment(
                burst(JOB, count),
                60 + count / JOBS_PER_SECOND,
                local,
                partial(job_burst, count=count),
            )
            for count in scale.job_bursts
        ),
    ]


def _floors(local: LazyServer[LocalSystem], scale: Scale) -> list[Experiment]:
    pairs, length = scale.pairs, scale.seconds
    pairs_s = 2 * pairs / 100
    return [
        _experiment(names.FLOOR_OURS, pairs_s, local, partial(floors.bare_client, count=pairs, schema=True)),
        _experiment(names.FLOOR_BARE, pairs_s, local, partial(floors.bare_client, count=pairs, schema=False)),
        _experiment(
            rate(names.KOPF, KOPF_RATE), length, local, partial(kopf_floor.kopf_at_rate, rate=KOPF_RATE, seconds=length)
        ),
        _experiment(burst(names.KOPF, pairs), pairs_s, local, partial(kopf_floor.kopf_at_once, count=pairs)),
        _experiment(names.RAW_ACTOR, 5, local, partial(floors.warm_actor, calls=CALLS)),
        _experiment(names.RAW_JOB, 3, local, lambda system: floors.raw_ray_jobs(system.dashboard, scale.jobs)),
    ]


def _single_costs(local: LazyServer[LocalSystem], scale: Scale) -> list[Experiment]:
    return [
        _experiment(names.FIRST_TASK, 10, local, cold_starts.executor_first_task),
        _experiment(names.OVERHEAD, 2, local, partial(cold_starts.executor_overhead, count=scale.singles)),
        _experiment(names.CONCURRENT, 10, local, cold_starts.concurrent_tasks),
        Experiment(names.IMPORT, 2, needs_pods=False, run=lambda _: cold_starts.operator_import()),
    ]


def _disturbances(local: LazyServer[LocalSystem], scale: Scale) -> list[Experiment]:
    length = scale.seconds
    noisy = partial(disturbances.noisy_neighbour, seconds=length, backlog=scale.backlog)
    return [
        _experiment(names.NEIGHBOUR, 15 + length, local, noisy),
        _experiment(names.HUNG, 5 + length, local, partial(disturbances.hung_dashboard, seconds=length)),
        _experiment(names.SLOW_API, 15 + length, local, partial(disturbances.slow_api_server, seconds=length)),
    ]


def _experiment(
    name: str,
    seconds: float,
    lazy: LazyServer[S],
    measure: Callable[[S], Sequence[Sample]],
    *,
    needs_pods: bool = False,
) -> Experiment:
    """Return an experiment that measures a system; ``seconds`` is without AROUND_S."""
    return Experiment(name, AROUND_S + seconds, needs_pods, lambda _: measure(lazy()))
