"""The HTTP API of a cluster as its OpenAPI document and its page describe it."""

import argparse
import re
import ssl
from pathlib import Path

from cognitive_runtime.adapters.http.cluster_app import create_cluster_app
from cognitive_runtime.adapters.http.replies import CLUSTER_STATUS_CODES, STATUS_CODES
from cognitive_runtime.adapters.kube.access import ApiAddress, ClusterAccess
from cognitive_runtime.bootstrap.cluster import Cluster
from cognitive_runtime.bootstrap.cluster_settings import ClusterSettings
from cognitive_runtime.bootstrap.serve_arguments import add_serve

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
ACCESS = ClusterAccess(ApiAddress("https://api.example", ssl.create_default_context()), None, "team")


def test_the_document_has_the_operations_of_a_local_core_and_their_further_failures() -> None:
    api = Cluster(ClusterSettings(agent="sre"), ACCESS).http_api()
    document = create_cluster_app(api).openapi()
    paths = document["paths"]
    calls = [path for path in paths if path.startswith("/dspy/") and path != "/dspy/status"]
    assert len(calls) == 6
    for path in calls:
        operation = paths[path]["post"]
        assert set(operation["responses"]) >= {"200", "401", "403", "404", "410", "422", "429", "503", "504"}
        assert operation["security"] == [{"HTTPBearer": []}]
    assert {"/mfb/incidents", "/dspy/status", "/health", "/cognitive/health"} <= set(paths)


def test_the_page_names_each_cause_with_its_status() -> None:
    _, _, table = PAGE.partition("A cluster adds:")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    told = {name: code for code, names in rows for name in re.findall(r"`([A-Z]\w+)`", names)}
    known = CLUSTER_STATUS_CODES | STATUS_CODES
    assert told.keys() >= CLUSTER_STATUS_CODES.keys()
    assert {name: str(known[name]) for name in told} == told


def test_the_page_names_each_option() -> None:
    parser = argparse.ArgumentParser()
    add_serve(parser, int)
    options = [each for action in parser._actions for each in action.option_strings if each.startswith("--")]
    assert [each for each in options if each != "--help" and f"| `{each}` |" not in PAGE] == []
