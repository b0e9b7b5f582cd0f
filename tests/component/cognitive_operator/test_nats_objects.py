"""Objects of an agent's bucket: written, read, listed by their attempt, and deleted with their chunks."""

import hashlib

import pytest
from nats.js import JetStreamContext

from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.api import names
from cognitive_operator.errors import ObjectNotFoundError
from support.builders.broker_keys import AGENT, KEY

pytestmark = pytest.mark.component


async def test_a_large_result_is_deleted_with_its_chunks(broker: NatsBroker, js: JetStreamContext) -> None:
    await broker.agents.ensure("default", AGENT)
    bucket = names.results_bucket(AGENT)
    store = await js.object_store(bucket)
    content = b"x" * 300_000
    for name in (names.object_name(KEY), "kept"):
        await store.put(name, content)
    await broker.objects.delete(AGENT, names.object_name(KEY))
    await broker.objects.delete(AGENT, names.object_name(KEY))
    await broker.objects.delete("absent", "x")
    state = (await js.stream_info(f"OBJ_{bucket}", subjects_filter=">")).state
    assert len(state.subjects or {}) == 2, "one object's chunks and its description"
    kept = await store.get("kept")
    assert kept.data is not None
    assert hashlib.sha256(kept.data).digest() == hashlib.sha256(content).digest()


async def test_objects_are_listed_by_their_attempt(broker: NatsBroker, js: JetStreamContext) -> None:
    assert await broker.objects.list(AGENT) == set()
    await broker.agents.ensure("default", AGENT)
    store = await js.object_store(names.results_bucket(AGENT))
    other = KEY._replace(number=2)
    thought = names.reasoning_name(KEY._replace(number=3))
    for name in (*names.objects_of(KEY), names.input_name(other), thought, "somebody's own"):
        await store.put(name, b"x")
    assert await broker.objects.list(AGENT) == {KEY, other, KEY._replace(number=3)}


async def test_an_object_cannot_name_other_objects_chunks_as_its_own(broker: NatsBroker, js: JetStreamContext) -> None:
    await broker.agents.ensure("default", AGENT)
    bucket = names.results_bucket(AGENT)
    store = await js.object_store(bucket)
    await store.put("kept", b"kept")
    await js.publish(f"$O.{bucket}.M.eA==", b'{"nuid": ">"}')
    await broker.objects.delete(AGENT, "x")
    assert (await store.get("kept")).data == b"kept"


@pytest.mark.parametrize("size", [0, 1, 128 * 1024, 128 * 1024 + 1, 5 * 1024 * 1024])
async def test_an_object_is_read_as_it_was_written_by_us_and_by_others(
    broker: NatsBroker, js: JetStreamContext, size: int
) -> None:
    await broker.agents.ensure("default", AGENT)
    bucket, content = names.results_bucket(AGENT), b"0123456789abcdef" * (size // 16) + b"x" * (size % 16)
    store = await js.object_store(bucket)
    await store.put("theirs", content)
    assert await broker.objects.read(bucket, "theirs") == content
    await broker.objects.put(AGENT, "ours", b"an older one")
    await broker.objects.put(AGENT, "ours", content)
    assert await broker.objects.read(bucket, "ours") == content
    assert ((await store.get("ours")).data or b"") == content
    await broker.objects.delete(AGENT, "ours")
    await broker.objects.delete(AGENT, "theirs")
    state = (await js.stream_info(f"OBJ_{bucket}", subjects_filter=">")).state
    assert not state.subjects, "nothing is left of the older one"


async def test_an_object_that_is_absent_or_incomplete_is_not_found(broker: NatsBroker, js: JetStreamContext) -> None:
    bucket = names.results_bucket(AGENT)
    with pytest.raises(ObjectNotFoundError):
        await broker.objects.read(bucket, "x")
    await broker.agents.ensure("default", AGENT)
    with pytest.raises(ObjectNotFoundError, match="has no object x"):
        await broker.objects.read(bucket, "x")
    await broker.objects.put(AGENT, "x", b"x" * 300_000)
    subjects = (await js.stream_info(f"OBJ_{bucket}", subjects_filter=f"$O.{bucket}.C.>")).state.subjects or {}
    await js.purge_stream(f"OBJ_{bucket}", subject=next(iter(subjects)), keep=1)
    with pytest.raises(ObjectNotFoundError, match="1 of its 3 parts"):
        await broker.objects.read(bucket, "x")
