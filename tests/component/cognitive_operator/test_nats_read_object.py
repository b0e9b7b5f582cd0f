"""Large results are read back as executors stored them."""

import json

import pytest
from nats.js import JetStreamContext

from cognitive_operator.adapters.nats import object_bucket
from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.api import names
from cognitive_operator.errors import ObjectNotFoundError

pytestmark = pytest.mark.component

AGENT = "11111111-1111-1111-1111-111111111111"
BUCKET = names.results_bucket(AGENT)


@pytest.mark.parametrize("size", [0, 1, 20_000, 3_000_000])
async def test_an_object_of_any_size_is_read(broker: NatsBroker, js: JetStreamContext, size: int) -> None:
    await broker.agents.ensure("default", AGENT)
    store = await js.object_store(BUCKET)
    content = bytes(n % 251 for n in range(1000)) * (size // 1000) + b"x" * (size % 1000)
    await store.put("other", b"other" * 1000)
    await store.put("result", content)
    assert await broker.objects.read(BUCKET, "result") == content


async def test_an_object_that_is_not_there_or_not_whole_is_not_found(broker: NatsBroker, js: JetStreamContext) -> None:
    with pytest.raises(ObjectNotFoundError):
        await broker.objects.read("results-absent", "result")
    await broker.agents.ensure("default", AGENT)
    with pytest.raises(ObjectNotFoundError, match="no object result"):
        await broker.objects.read(BUCKET, "result")
    store = await js.object_store(BUCKET)
    info = await store.put("result", b"x" * 300_000)
    await js.purge_stream(f"OBJ_{BUCKET}", subject=f"$O.{BUCKET}.C.{info.nuid}", keep=1)
    with pytest.raises(ObjectNotFoundError, match="has 1 of its 3 parts left"):
        await broker.objects.read(BUCKET, "result")
    await js.publish(f"$O.{BUCKET}.M.cmVzdWx0", json.dumps({"nuid": ">", "chunks": 1}).encode())
    with pytest.raises(ObjectNotFoundError, match="no object result"):
        await broker.objects.read(BUCKET, "result")


async def test_no_more_than_the_bound_is_taken_into_memory(
    broker: NatsBroker, js: JetStreamContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_bucket, "MAX_OBJECT_BYTES", 100_000)
    await broker.agents.ensure("default", AGENT)
    await (await js.object_store(BUCKET)).put("result", b"x" * 100_001)
    with pytest.raises(ObjectNotFoundError, match="larger than 100000"):
        await broker.objects.read(BUCKET, "result")
