"""Names of experiments and samples that the report refers to."""

EMBEDDED, SERVE, JOB, WARM_SLOTS = "Embedded", "Serve", "Job", "Job with warm slots"
HTTP_MODE, K8SJOB_MODE = "HTTPMode", "K8sJobMode"
RAW_JOB, RAW_ACTOR = "raw Ray job", "raw call of a warm Ray actor"
KOPF = "bare Kopf handler"
FLOOR_OURS, FLOOR_BARE = "bare client, our schema", "bare client, no schema"
FIRST_TASK, OVERHEAD, IMPORT = "executor's first task", "executor overhead", "operator import"
NEIGHBOUR, HUNG, SLOW_API = "noisy neighbour", "hung Ray dashboard", "API server 100 ms slower"
TENANTS = "two tenants"
CONCURRENT = "100 at once, model latency 1 s"
ALONE, BESIDE = "alone", "beside a hostile tenant"
ON_CLUSTER = "cluster: "
"""Prefix of the experiments on the cluster of KUBECONFIG."""

LATENCY, P50, P95, P99 = "latency", "latency p50", "latency p95", "latency p99"
EACH_LATENCY = "each latency"
"""Latency of each task, for the plots; the table has its percentiles."""
P99_BOUND = "promised bound of p99 beside a hostile tenant"
PER_SECOND, LAST = "done per second", "create to last done"
FIRST = "create to first done"
PAIRS, CREATE_CPU, STATUS_CPU = "pairs per second", "API server CPU per create", "API server CPU per status write"
WRITES = "API writes per task"
CPU_OPERATOR = "CPU per task, operator"
RSS_OPERATOR, RSS_EXECUTORS = "memory, operator", "memory, executors"
RESTART_READY, RESTART_WRITES = "restart until ready", "writes after restart"


def one(system: str) -> str:
    """Return the name of the experiment with one task after another."""
    return f"{system}, one at a time"


def rate(system: str, per_second: float) -> str:
    """Return the name of the experiment at a steady rate."""
    return f"{system} at {per_second:g}/s"


def burst(system: str, count: int) -> str:
    """Return the name of the experiment with ``count`` tasks at once."""
    return f"{system}, {count} at once"


def rayjob(mode: str) -> str:
    """Return the name of KubeRay's RayJob in a submission mode."""
    return f"{ON_CLUSTER}RayJob {mode}"


def restart(count: int) -> str:
    """Return the name of the experiment that restarts the operator with ``count`` finished tasks."""
    return f"restart with {count} finished tasks"
