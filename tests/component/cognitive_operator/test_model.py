import pytest

from cognitive_operator.ports.model import ModelProbe, ModelTarget
from support.servers.http_double import HANG, HttpDouble, Reply

pytestmark = pytest.mark.component

KEY = "sk-very-secret"
LIST = Reply(json={"object": "list", "data": [{"id": "gemma-3-270m"}, {"id": "other"}, {"no": "id"}]})


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_the_models_are_listed_with_the_key(probe: ModelProbe, http: HttpDouble, suffix: str) -> None:
    http.reply("GET /v1/models", LIST)
    seen = await probe.check(ModelTarget(http.url + suffix), KEY)
    assert (seen.ok, seen.reason, seen.models) == (True, "Available", ("gemma-3-270m", "other"))
    assert seen.message.endswith("/v1/models lists 2 models")
    assert http.asked[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_one_model_is_told_in_the_singular(probe: ModelProbe, http: HttpDouble) -> None:
    http.reply("GET /v1/models", Reply(json={"data": [{"id": "m"}]}))
    assert (await probe.check(ModelTarget(http.url), KEY)).message.endswith("/v1/models lists 1 model")


async def test_no_key_is_sent_where_there_is_none(probe: ModelProbe, http: HttpDouble) -> None:
    http.reply("GET /v1/models", LIST)
    await probe.check(ModelTarget(http.url), None)
    assert "Authorization" not in http.asked[0].headers


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("key", [KEY, None])
async def test_rejected_credentials_are_told_from_an_absent_model(
    probe: ModelProbe, http: HttpDouble, status: int, key: str | None
) -> None:
    http.reply("GET /v1/models", Reply(status, body=f"wrong key {key}".encode()))
    seen = await probe.check(ModelTarget(http.url), key)
    assert (seen.ok, seen.reason) == (False, "CredentialsRejected")
    assert f"{http.url}/v1/models" in seen.message
    assert KEY not in seen.message


@pytest.mark.parametrize("status", [404, 405, 429, 501])
async def test_a_server_without_a_list_is_there(probe: ModelProbe, http: HttpDouble, status: int) -> None:
    http.reply("GET /v1/models", Reply(status))
    seen = await probe.check(ModelTarget(http.url), KEY)
    assert (seen.ok, seen.reason, seen.models) == (True, "Available", ())
    assert str(status) in seen.message


@pytest.mark.parametrize(
    "reply",
    [
        HANG,
        Reply(500),
        Reply(400),
        Reply(body=b"<html>"),
        Reply(json={"data": "none"}),
        Reply(body=b"[" * 100_000),
        Reply(endless=True),
        Reply(302, headers={"Location": "http://127.0.0.1:1/v1/models"}),
    ],
)
async def test_everything_else_is_unreachable(probe: ModelProbe, http: HttpDouble, reply: Reply | None) -> None:
    http.reply("GET /v1/models", reply)
    seen = await probe.check(ModelTarget(http.url), KEY)
    assert (seen.ok, seen.reason) == (False, "ModelUnreachable")
    assert http.url in seen.message
    assert KEY not in seen.message


@pytest.mark.parametrize(
    ("endpoint", "key"),
    [
        ("http://127.0.0.1:1", KEY),
        ("ftp://127.0.0.1", KEY),
        ("no url", KEY),
        ("http://[bad", KEY),
        ("http://user:sk-very-secret@127.0.0.1:1/?key=sk-very-secret", None),
        ("http://user:sk-very-secret@127.0.0.1:1", KEY),
        ("http://127.0.0.1:1", f"{KEY}\r\nX-Injected: yes"),
        ("http://127.0.0.1:99999", KEY),
    ],
)
async def test_it_never_raises_and_never_tells_a_key(probe: ModelProbe, endpoint: str, key: str | None) -> None:
    seen = await probe.check(ModelTarget(endpoint), key)
    assert (seen.ok, seen.reason) == (False, "ModelUnreachable")
    assert seen.message
    assert KEY not in seen.message
