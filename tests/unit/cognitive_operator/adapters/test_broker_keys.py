import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cognitive_operator.__main__ import main
from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.nats.broker_keys import new_broker_keys
from cognitive_operator.errors import ConflictError

FILES = {"auth.conf", "operator.creds", "system.creds", "account.nk", "root.nk"}


class Client:
    """Takes what is posted, or says that it is there."""

    def __init__(self, *, is_there: bool) -> None:
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self._is_there = is_there

    async def request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        assert method == "POST"
        self.posted.append((path, body))
        if self._is_there:
            raise ConflictError("already exists")
        return {}


def made(monkeypatch: pytest.MonkeyPatch, *, is_there: bool) -> tuple[int, Client]:
    client: Any = Client(is_there=is_there)

    @asynccontextmanager
    async def connect() -> AsyncIterator[KubeApi]:
        yield KubeApi(client)

    monkeypatch.setattr(KubeApi, "connect", connect)
    return main(["broker-keys", "team/nats-keys"]), client


def test_a_secret_is_made_that_nobody_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, client = made(monkeypatch, is_there=False)
    ((path, secret),) = client.posted
    assert (code, path) == (0, "/api/v1/namespaces/team/secrets")
    assert capsys.readouterr().out == "Secret team/nats-keys created\n"
    assert secret["immutable"] is True
    assert secret["metadata"]["name"] == "nats-keys"
    assert set(secret["data"]) == FILES
    assert base64.b64decode(secret["data"]["account.nk"]).startswith(b"SA")
    assert base64.b64decode(secret["data"]["root.nk"]).startswith(b"SO")


def test_a_secret_that_is_there_stays(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, client = made(monkeypatch, is_there=True)
    assert (code, len(client.posted)) == (0, 1)
    assert capsys.readouterr().out == "Secret team/nats-keys already exists\n"


def test_every_broker_has_keys_of_its_own_and_tells_the_server_no_seed() -> None:
    one, other = new_broker_keys(), new_broker_keys()
    assert not {one[name] for name in FILES} & {other[name] for name in FILES}
    seeds = [line for text in one.values() for line in text.split() if line[:2] in ("SA", "SO", "SU")]
    assert len(seeds) == 4
    assert not [seed for seed in seeds if seed in one["auth.conf"]]
