"""Keys of NATS: what is derived is the same for ever, and what is no key is told without showing it."""

from pathlib import Path

import pytest

from cognitive_operator.__main__ import main
from cognitive_operator.adapters.nats.agent_accounts import NatsAgentAccounts
from cognitive_operator.adapters.nats.broker_keys import BrokerKeys, new_broker_keys
from cognitive_operator.adapters.nats.credentials import read_claims
from cognitive_operator.adapters.nats.key_pair import ACCOUNT, ROOT, KeyFileError, KeyPair
from cognitive_operator.desired.broker_rights import broker_rights


def keys_in(folder: Path) -> BrokerKeys:
    for name, content in new_broker_keys().items():
        (folder / name).write_text(content, encoding="ascii")
    return BrokerKeys.read(folder)


def test_an_agents_account_is_the_same_for_every_operator(tmp_path: Path) -> None:
    keys, again = keys_in(tmp_path), BrokerKeys.read(tmp_path)
    rights = broker_rights("team", "uid")
    assert keys.account_jwt("uid", rights) == again.account_jwt("uid", rights)
    assert keys.account_of("uid") != keys.account_of("other")
    assert keys.account_of("uid").startswith("A")
    assert keys.root.seed not in repr(keys)


def test_credentials_tell_their_life_to_who_has_the_keys(tmp_path: Path) -> None:
    keys, rights = keys_in(tmp_path), broker_rights("team", "uid")
    credentials = keys.credentials("uid", rights, 100, 200)
    assert keys.lifetime_of("uid", rights, credentials) == (100, 200)
    assert keys.lifetime_of("uid", broker_rights("other", "uid"), credentials) is None
    assert keys.lifetime_of("other", rights, credentials) is None
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    assert keys_in(foreign).lifetime_of("uid", rights, credentials) is None
    assert keys.credentials("uid", rights, 100, 200) != credentials


@pytest.mark.parametrize(
    "text", ["", "nothing", "-BEGIN NATS USER JWT-\na.!!.c\n", "-BEGIN NATS USER JWT-\na.WzFd.c\n"]
)
def test_what_holds_no_claims_says_nothing(text: str) -> None:
    assert read_claims(text) == {}


@pytest.mark.parametrize("seed", ["", "SA", "SAgarbage", "SUAGARBAGE", "SO" + "A" * 56, "é"])
def test_a_file_without_the_key_is_told_and_not_shown(seed: str) -> None:
    with pytest.raises(KeyFileError, match=r"^somewhere: expected the seed of a NATS key, which begins with SA$"):
        KeyPair.read(seed, ACCOUNT, "somewhere")


def test_a_seed_is_read_as_it_was_written() -> None:
    root = KeyPair.new(ROOT)
    assert KeyPair.read(f"{root.seed}\n", ROOT, "somewhere").public == root.public


def test_an_operator_without_its_keys_says_which_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyFileError, match=r"root\.nk cannot be read: FileNotFoundError"):
        NatsAgentAccounts("nats://127.0.0.1:1", tmp_path)

    async def refuse(_: object) -> None:
        raise KeyFileError("root.nk cannot be read")

    monkeypatch.setattr("cognitive_operator.__main__.run", refuse)
    monkeypatch.setattr("cognitive_operator.__main__.start_logging", lambda _: None)
    assert main([]) == 2
    assert capsys.readouterr().err == "cognitive-operator: root.nk cannot be read\n"
