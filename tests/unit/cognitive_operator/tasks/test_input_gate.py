"""Input from elsewhere: each cause that keeps a task waiting or ends it, and the values that join its input."""

import base64
import hashlib
import json

import pytest

from cognitive_operator.api.conditions import Phase
from cognitive_operator.desired.input import MAX_INPUT_BYTES
from cognitive_operator.errors import BrokerUnavailableError, ForbiddenError
from cognitive_operator.plan.gates.inputs import InputNotReadyError
from support.builders import operator_objects as o
from support.fakes.input_desk import Desk, from_map, from_secret, from_task

SECRET = "hunter2-do-not-tell"


async def test_a_task_without_sources_passes_and_nothing_is_asked() -> None:
    desk = Desk()
    assert await desk.inputs.check(desk.record) is None
    assert await desk.inputs.read(desk.record) is None
    assert desk.kube.asked == []


async def test_values_join_the_input_under_their_keys() -> None:
    desk = Desk(from_map(), from_map("task_context", "json", format="JSON"), from_secret("token"))
    desk.config_map(text="  kept as\nit is ", json='{"a": [1, null, "é"]}')
    desk.secret(f"{SECRET}\n".encode())
    assert await desk.inputs.check(desk.record) is None
    assert await desk.read() == {
        "error_message": "no",
        "log": "  kept as\nit is ",
        "task_context": {"a": [1, None, "é"]},
        "token": f"{SECRET}\n",
    }


async def test_binary_data_of_a_config_map_is_read_too() -> None:
    desk = Desk(from_map())
    desk.kube.objects["configmaps", "notes"] = {
        "metadata": {},
        "binaryData": {"text": base64.b64encode("ü".encode()).decode()},
    }
    assert (await desk.read())["log"] == "ü"


async def test_what_is_missing_is_named_until_it_is_there() -> None:
    desk = Desk(from_map())
    gate = await desk.check()
    assert (gate.reason, gate.phase, gate.recheck_s <= 60) == ("InputNotFound", Phase.PENDING, True)
    assert "ConfigMap team/notes does not exist" in gate.message
    assert "as=log" in gate.message
    desk.config_map(other="x")
    assert "ConfigMap team/notes has no key 'text'" in (await desk.check()).message
    desk.config_map(text="x")
    assert await desk.inputs.check(desk.record) is None


async def test_what_was_found_is_not_read_again_until_the_attempt_starts() -> None:
    desk = Desk(from_map())
    desk.config_map(text="x")
    for _ in range(5):
        assert await desk.inputs.check(desk.record) is None
    assert len(desk.kube.asked) == 1
    desk.kube.objects.clear()
    desk.clock.advance(3600.0)
    assert await desk.inputs.check(desk.record) is None
    with pytest.raises(InputNotReadyError) as caught:
        await desk.publish()
    assert caught.value.gate.reason == "InputNotFound"


@pytest.mark.parametrize("step", ["check", "publish"])
async def test_input_is_read_outside_of_the_workers(step: str) -> None:
    desk, during = Desk(from_map()), list[bool]()
    desk.config_map(text="x")
    desk.kube.on_read = lambda: during.append(desk.is_outside)
    await (desk.inputs.check(desk.record) if step == "check" else desk.publish())
    assert (during, desk.is_outside) == ([True], False)


async def test_an_optional_source_that_is_missing_is_left_out() -> None:
    desk = Desk(from_map(optional=True), from_secret("s", optional=True), from_task(optional=True))
    assert await desk.read() == {"error_message": "no"}
    desk.config_map(other="x")
    assert await desk.read() == {"error_message": "no"}


@pytest.mark.parametrize(
    ("as_", "text", "how", "said"),
    [
        ("log", "{", "JSON", "is not valid JSON"),
        ("log", '{"a": NaN}', "JSON", "cannot be encoded as standard JSON"),
        ("log", "[" * 100_000, "JSON", "cannot be encoded as standard JSON"),
        ("log", '"\\ud800"', "JSON", "not UTF-8"),
        ("decision_context", "{}", "Text", "must be an object; if the value is JSON, set format: JSON"),
        ("decision_context", "{}", "JSON", "must not be empty"),
        ("decision_context", "[1]", "JSON", "must be an object"),
        ("memory_fragments", '["x"]', "JSON", "list of at most 10000 objects"),
        ("problem_statement", "", "Text", "must not be empty"),
        ("problem_statement", "{}", "JSON", "must be text"),
    ],
)
async def test_a_value_that_does_not_fit_holds_the_task_until_it_is_mended(
    as_: str, text: str, how: str, said: str
) -> None:
    desk = Desk(from_map(as_, format=how))
    desk.config_map(text=text)
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("InputInvalid", Phase.PENDING)
    assert said in gate.message
    assert "ConfigMap team/notes" in gate.message


@pytest.mark.parametrize("value", [SECRET.encode(), SECRET.encode() + b"\xff", f'{{"x": {SECRET}'.encode()])
async def test_no_message_holds_any_of_a_secret(value: bytes) -> None:
    desk = Desk(from_secret("decision_context", format="JSON"))
    desk.secret(value)
    gate = await desk.check()
    assert gate.reason == "InputInvalid"
    assert "Secret team/s" in gate.message
    assert "hunter" not in repr(gate)


async def test_a_secret_is_read_only_when_its_owner_allows_that() -> None:
    desk = Desk(from_secret(optional=True))
    desk.secret(b"x", allowed=False)
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("InputForbidden", Phase.PENDING)
    assert "cognitive.seedcore.io/input=allowed" in gate.message


async def test_a_right_that_is_missing_is_named() -> None:
    desk = Desk(from_map())
    desk.kube.error = ForbiddenError("403")
    gate = await desk.check()
    assert gate.reason == "InputForbidden"
    assert "is not allowed to read ConfigMap team/notes; grant the operator the RBAC verb get" in gate.message


async def test_a_key_that_stands_in_both_places_ends_the_task() -> None:
    desk = Desk(from_map("error_message"))
    desk.config_map(text="x")
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("InputInvalid", Phase.FAILED)


async def test_another_task_is_waited_for_until_it_succeeds() -> None:
    desk = Desk(from_task(), from_task("step", ref={"field": "thought"}))
    assert (await desk.check()).reason == "InputNotFound"
    for phase in ("Queued", "Running"):
        desk.other_task(phase)
        assert (await desk.check()).reason == "WaitingForTask"
    assert desk.index.graph.dependants(("team", "first")) == (o.TASK_UID,)
    desk.other_task("Succeeded", result={"thought": "t", "n": 1})
    assert await desk.inputs.check(desk.record) is None
    assert await desk.read() == {"error_message": "no", "plan": {"thought": "t", "n": 1}, "step": "t"}


async def test_a_large_result_of_another_task_is_read_from_its_object() -> None:
    desk = Desk(from_task(ref={"field": "thought"}))
    content = json.dumps({"thought": "x" * 50_000}).encode()
    ref = {"bucket": "results-b", "name": "t.1", "sizeBytes": len(content)}
    desk.other_task("Succeeded", resultRef=ref | {"sha256": hashlib.sha256(content).hexdigest()})
    gone = await desk.check()
    assert (gone.reason, gone.phase) == ("DependencyFailed", Phase.FAILED)
    desk.objects.content["results-b", "t.1"] = content
    assert (await desk.read())["plan"] == "x" * 50_000


async def test_a_task_whose_other_task_failed_fails_by_name() -> None:
    desk = Desk(from_task())
    desk.other_task("Failed", reason="ModelTimeout")
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("DependencyFailed", Phase.FAILED)
    assert "CognitiveTask team/first ended as Failed" in gate.message
    assert await Desk(from_task(optional=True)).read() == {"error_message": "no"}


async def test_a_result_that_never_fits_ends_the_task() -> None:
    absent = Desk(from_task(ref={"field": "decision"}))
    absent.other_task("Succeeded", result={"thought": "t"})
    assert ((await absent.check()).reason, (await absent.check()).phase) == ("InputNotFound", Phase.FAILED)
    no_text = Desk(from_task("problem_statement"))
    no_text.other_task("Succeeded", result={"thought": "t"})
    assert ((await no_text.check()).reason, (await no_text.check()).phase) == ("InputInvalid", Phase.FAILED)


async def test_all_input_together_has_a_bound() -> None:
    desk = Desk(from_map())
    frame = len(json.dumps({"error_message": "no", "log": ""}, separators=(",", ":")))
    desk.config_map(text="x" * (MAX_INPUT_BYTES - frame))
    assert await desk.inputs.check(desk.record) is None
    desk.config_map(text="x" * (MAX_INPUT_BYTES - frame + 1))
    desk.index.update_task(o.TASK_UID, has_found_input=False)
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("InputTooLarge", Phase.FAILED)
    assert str(MAX_INPUT_BYTES) in gate.message


async def test_a_broker_that_is_away_is_no_reason_to_end_a_task() -> None:
    desk = Desk(from_task())
    ref = {"bucket": "b", "name": "n", "sizeBytes": 1, "sha256": "0"}
    desk.other_task("Succeeded", resultRef=ref)

    async def away(bucket: str, name: str) -> bytes:
        raise BrokerUnavailableError("away")

    desk.objects.read = away  # type: ignore[method-assign]
    with pytest.raises(BrokerUnavailableError):
        await desk.inputs.check(desk.record)
