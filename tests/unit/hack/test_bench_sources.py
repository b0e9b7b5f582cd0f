"""Inputs of the benchmark: audit logs, /proc, kubeconfigs, statuses, the CRD."""

import base64
import itertools
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.experiment import SkippedError
from bench.experiments import bursts
from bench.experiments.bursts import CpuBefore
from bench.host import processes
from bench.host.machine import commit, cpu_model, describe_machine, memory_bytes, program_version
from bench.host.processes import (
    Component,
    Process,
    cpu_seconds,
    idle_rates,
    resident_mb,
    running_processes,
    tree,
    wait_until_quiet,
)
from bench.kube.api_server import api_server_of
from bench.kube.audit_log import AuditLog
from bench.kube.kinds import bare_tasks, ray_job, ray_job_outcome, tasks
from bench.systems.cluster import cluster_system
from bench.systems.local import is_worker
from bench.workloads import agents
from bench.workloads.agents import check_supported, load_execution_schema
from controlplane.certificates import Authority
from controlplane.kubeconfig import write_kubeconfig, write_proxied_kubeconfig


def entry(verb: str, resource: str, *, user: str = "admin", code: int = 200, sub: str | None = None) -> str:
    target = {"resource": resource, "name": "a"} | ({"subresource": sub} if sub else {})
    answer = {"verb": verb, "user": {"username": user}, "objectRef": target, "responseStatus": {"code": code}}
    return json.dumps(answer) + "\n"


def test_writes_are_counted_by_verb_and_resource_from_a_position_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(entry("create", "cognitivetasks"))
    log = AuditLog(path)
    lines = [
        entry("create", "cognitivetasks", code=201),
        entry("patch", "cognitivetasks", sub="status"),
        entry("patch", "cognitivetasks", sub="status"),
        entry("create", "events", code=201),
        entry("get", "cognitivetasks"),
        entry("patch", "cognitivetasks", sub="status", code=409),
        entry("update", "leases"),
        entry("update", "namespaces", user="system:kube-controller-manager"),
        json.dumps({"verb": "get", "user": {}, "requestURI": "/readyz"}) + "\n",
    ]
    path.write_text(path.read_text() + "".join(lines) + '{"verb": "cre')
    assert log.writes() == {"create cognitivetasks": 1, "patch cognitivetasks/status": 2, "create events": 1}
    log.skip()
    assert log.writes().total() == 0


def test_this_process_has_cpu_time_memory_and_a_command() -> None:
    mine = running_processes()[os.getpid()]
    assert mine.parent == os.getppid()
    assert mine.cpu_s > 0
    assert 10 < mine.rss_mb < 2000
    assert "python" in mine.command


def test_a_tree_has_all_descendants() -> None:
    found = {pid: Process(pid, parent, 1.0, 1.0, "") for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 1), (9, 8))}
    assert sorted(each.pid for each in tree(found, 1)) == [1, 2, 3, 4]
    assert tree(found, 5) == []


def test_a_component_is_the_part_of_a_tree_with_its_command() -> None:
    mine = Component("mine", os.getpid(), lambda command: "python" in command)
    others = Component("others", os.getpid(), lambda command: "no such program" in command)
    cpu = cpu_seconds([mine, others])
    assert cpu["mine"] > 0
    assert cpu["others"] == 0
    assert resident_mb(mine) > 10
    with pytest.raises(RuntimeError, match="others: no process runs"):
        resident_mb(others)
    assert wait_until_quiet([mine], timeout_s=0) is False


def test_idle_processes_cost_a_burst_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = CpuBefore(
        time.monotonic() - 10, Counter({"worker": 5.0, "NATS": 1.0}), Counter({"worker": 0.2, "NATS": 0.1})
    )
    monkeypatch.setattr(bursts, "cpu_seconds", lambda _: {"worker": 9.0, "NATS": 1.5})
    assert before.since([]) == {"worker": pytest.approx(2.0, abs=0.05), "NATS": 0.0}


def test_idle_processes_count_as_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = itertools.count(0.0, 0.5)  # half a core
    monkeypatch.setattr(processes, "cpu_seconds", lambda _: Counter({"worker": next(busy)}))
    monkeypatch.setattr("bench.host.processes.time.sleep", lambda _: None)
    assert idle_rates([], seconds=1.0) == {"worker": 0.5}
    assert wait_until_quiet([], timeout_s=30, idle=0.5)
    assert not wait_until_quiet([], timeout_s=0.05)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ray::WorkerActor.run", True),
        ("ray::ServeReplica:agent", True),
        ("ray::DashboardAgent", False),
        ("ray::JobSupervisor", False),
        ("python -m cognitive_runtime executor", True),
        ("/venv/ray/core/src/ray/gcs/gcs_server --log_dir=/tmp", False),
        ("python -u /venv/ray/dashboard/dashboard.py", False),
    ],
)
def test_workers_are_told_from_the_rest_of_ray(command: str, expected: bool) -> None:
    assert is_worker(command) is expected


def test_the_machine_is_described() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Fast CPU: 2 GHz\n") == "Fast CPU: 2 GHz"
    assert cpu_model("") == ""
    assert memory_bytes("MemFree: 1 kB\nMemTotal:  2048 kB\n") == 2048 * 1024
    found = describe_machine()
    assert int(found["cores"]) >= 1
    assert found["cpu"]


def test_versions_of_what_is_not_there_are_unknown() -> None:
    assert program_version("/no/such/program") == "unknown"
    assert program_version("echo", "v1.2") == "v1.2"
    assert commit() == "unknown" or len(commit().removesuffix("-dirty")) >= 7


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (None, None),
        ({"jobStatus": "", "jobDeploymentStatus": "Initializing"}, None),
        ({"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}, None),
        ({"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Running"}, "Succeeded"),
        ({"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}, "Succeeded"),
        ({"jobStatus": "FAILED", "jobDeploymentStatus": "Running"}, "Failed"),
        ({"jobStatus": "STOPPED", "jobDeploymentStatus": "Running"}, "Failed"),
        ({"jobDeploymentStatus": "ValidationFailed"}, "Failed"),
    ],
)
def test_a_ray_job_ends_with_its_job_status(status: dict[str, str] | None, outcome: str | None) -> None:
    assert ray_job_outcome({"metadata": {"name": "a"}, "status": status}) == outcome


def test_a_ray_job_does_nothing_on_the_cluster_that_exists() -> None:
    spec = ray_job("job", "shared", "HTTPMode")["spec"]
    assert spec == {
        "entrypoint": "true",
        "submissionMode": "HTTPMode",
        "clusterSelector": {"ray.io/cluster": "shared"},
        "backoffLimit": 0,
    }


def test_the_floor_has_the_spec_of_a_task() -> None:
    task, bare = (kind.manifest("a", "agent") for kind in (tasks(), bare_tasks()))
    assert task["spec"] == bare["spec"]
    assert task["apiVersion"] != bare["apiVersion"]


@pytest.mark.parametrize("phase", [None, "Queued", "Running"])
def test_a_task_without_a_terminal_phase_has_not_ended(phase: str | None) -> None:
    found: dict[str, Any] = {"status": {"phase": phase}} if phase else {}
    assert tasks().outcome(found) is None
    assert tasks().outcome({"status": {"phase": "Failed"}}) == "Failed"


def test_modes_that_the_crd_has_are_measured_and_others_skipped() -> None:
    schema = load_execution_schema()
    check_supported(agents.EMBEDDED, schema)
    check_supported(agents.JOB, schema)
    without: dict[str, Any] = {"mode": {"enum": ["Embedded", "Job"]}}
    with pytest.raises(SkippedError, match="no execution mode Serve"):
        check_supported(agents.SERVE, without)
    with pytest.raises(SkippedError, match=r"execution\.job\.warmSlots"):
        check_supported(agents.WARM_SLOTS, without)
    both = {"mode": {"enum": ["Embedded", "Job", "Serve"]}, "job": {"properties": {"warmSlots": {}}}}
    check_supported(agents.SERVE, both)
    check_supported(agents.WARM_SLOTS, both)


def test_a_kubeconfig_with_certificates_or_a_token_gives_the_api_server(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    authority = Authority(tmp_path / "pki")
    write_kubeconfig(path, "https://127.0.0.1:1", authority.pair.certificate, authority.issue("admin"))
    api = api_server_of(path)
    assert api.url == "https://127.0.0.1:1"
    assert api.headers == {}
    assert len(api.tls.get_ca_certs()) == 1
    content = yaml.safe_load(path.read_text())
    content["users"][0]["user"] = {"token": "t"}
    path.write_text(yaml.safe_dump(content))
    assert api_server_of(path).headers == {"Authorization": "Bearer t"}
    content["users"][0]["user"] = {"exec": {}}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match="neither a client certificate nor a token"):
        api_server_of(path)


def test_certificates_may_stand_in_files(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    authority = Authority(tmp_path / "pki")
    write_kubeconfig(path, "https://127.0.0.1:1", authority.pair.certificate, authority.issue("admin"))
    content = yaml.safe_load(path.read_text())
    for entry_ in (content["clusters"][0]["cluster"], content["users"][0]["user"]):
        for name in [name for name in entry_ if name.endswith("-data")]:
            (tmp_path / name).write_bytes(base64.b64decode(entry_.pop(name)))
            entry_[name.removesuffix("-data")] = name
    path.write_text(yaml.safe_dump(content))
    assert len(api_server_of(path).tls.get_ca_certs()) == 1


def test_the_proxys_kubeconfig_has_no_credentials(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    write_proxied_kubeconfig(path, "http://127.0.0.1:1")
    content = yaml.safe_load(path.read_text())
    assert content["clusters"][0]["cluster"] == {"server": "http://127.0.0.1:1"}
    assert content["users"][0]["user"] == {}


def test_without_a_cluster_what_needs_pods_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(SkippedError, match="set KUBECONFIG"), cluster_system():
        pass


def test_a_cluster_that_may_not_be_changed_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl, called = tmp_path / "kubectl", tmp_path / "called"
    kubectl.write_text(f'#!/bin/sh\necho "$*" >> {called}\necho production\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.delenv("BENCH_CONTEXT", raising=False)
    with pytest.raises(SkippedError, match="'production' may not be changed: set BENCH_CONTEXT"), cluster_system():
        pass
    assert called.read_text() == "config current-context\n"
