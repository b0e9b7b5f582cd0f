import copy
from pathlib import Path
from typing import Any

from demo.examples import Addresses, load_examples, pointed_at, with_real_failure

AGENT: dict[str, Any] = {
    "kind": "CognitiveAgent",
    "metadata": {"name": "thinker"},
    "spec": {
        "role": "DEVOPS",
        "ray": {"address": "http://127.0.0.1:8265"},
        "llm": {
            "provider": "openai",
            "model": "gpt-4o",
            "endpoint": "https://api.openai.com/v1",
            "apiKeySecretRef": {"name": "mine"},
            "maxTokens": 512,
        },
    },
}


def addresses(*, has_key: bool) -> Addresses:
    return Addresses("http://127.0.0.1:1", "openaiCompatible", "m", "http://127.0.0.1:2/v1", has_key)


def test_an_agent_is_pointed_at_the_demos_servers_and_keeps_the_rest() -> None:
    before = copy.deepcopy(AGENT)
    pointed = pointed_at(AGENT, addresses(has_key=False))
    assert before == AGENT
    assert pointed["spec"] == {
        "role": "DEVOPS",
        "ray": {"address": "http://127.0.0.1:1"},
        "llm": {
            "provider": "openaiCompatible",
            "model": "m",
            "endpoint": "http://127.0.0.1:2/v1",
            "maxTokens": 512,
        },
    }


def test_an_agent_names_the_demos_secret_when_the_model_wants_a_key() -> None:
    llm = pointed_at(AGENT, addresses(has_key=True))["spec"]["llm"]
    assert llm["apiKeySecretRef"] == {"name": "llm-credentials", "key": "api-key"}


def test_tool_servers_are_those_of_the_demo() -> None:
    agent = copy.deepcopy(AGENT)
    agent["spec"]["tools"] = {"servers": [{"name": "runbooks", "url": "http://elsewhere/mcp", "allow": ["find_*"]}]}
    pointed = pointed_at(agent, Addresses("r", "p", "m", "e", has_key=False, tools="http://127.0.0.1:3/mcp"))
    assert pointed["spec"]["tools"]["servers"] == [
        {"name": "runbooks", "url": "http://127.0.0.1:3/mcp", "allow": ["find_*"]}
    ]
    assert agent["spec"]["tools"]["servers"][0]["url"] == "http://elsewhere/mcp"


def task(name: str, task_type: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"type": task_type, "input": {"error_message": "made up"}}}


def test_the_first_failure_analysis_gets_the_real_failure_and_goes_ahead() -> None:
    tasks = [task("plan", "TaskPlanning"), task("first", "FailureAnalysis"), task("second", "FailureAnalysis")]
    changed = with_real_failure(tasks, "strict decoding error")
    assert [(t["metadata"]["name"], t["spec"]["input"]["error_message"]) for t in changed] == [
        ("first", "strict decoding error"),
        ("plan", "made up"),
        ("second", "made up"),
    ]
    assert tasks[1]["spec"]["input"]["error_message"] == "made up"


def test_examples_are_read_in_the_order_of_their_files(tmp_path: Path) -> None:
    (tmp_path / "20-tasks.yaml").write_text("kind: CognitiveTask\nn: 2\n---\nkind: CognitiveTask\nn: 3\n---\n")
    (tmp_path / "10-agent.yaml").write_text("kind: CognitiveAgent\nn: 1\n")
    (tmp_path / "15-signature.yaml").write_text("kind: CognitiveSignature\nn: 4\n")
    (tmp_path / "notes.txt").write_text("not a manifest")
    found = load_examples(tmp_path)
    assert [m["n"] for m in found.agents] == [1]
    assert [m["n"] for m in found.signatures] == [4]
    assert [m["n"] for m in found.tasks] == [2, 3]
