import json
import os
from pathlib import Path

from bench.system_metrics import import_seconds, resident_mb, task_writes


def entry(verb: str, name: str, resource: str = "cognitivetasks") -> str:
    return json.dumps({"verb": verb, "objectRef": {"resource": resource, "name": name}})


def test_writes_to_tasks_are_counted_without_their_creation(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    lines = [
        entry("create", "a"),
        entry("patch", "a"),
        entry("update", "a"),
        entry("get", "a"),
        entry("patch", "b"),
        entry("patch", "a", "cognitiveagents"),
        json.dumps({"verb": "get", "requestURI": "/readyz"}),
    ]
    log.write_text("\n".join(lines) + "\n")
    assert task_writes(log) == {"a": 2, "b": 1}


def test_this_process_has_memory() -> None:
    assert 10 < resident_mb(os.getpid()) < 2000


def test_the_time_of_an_import_is_measured() -> None:
    assert 0 <= import_seconds("json") < 1
