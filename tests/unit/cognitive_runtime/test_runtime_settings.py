import pytest

from cognitive_runtime.config import ConfigError, read_settings

GIVEN = {"COGNITIVE_NATS_URL": "nats://nats:4222", "COGNITIVE_SUBMISSION_ID": "ca-1"}


def test_the_rest_has_defaults() -> None:
    found = read_settings(GIVEN)
    assert (found.nats_url, found.submission_id, found.log_level) == ("nats://nats:4222", "ca-1", "INFO")
    assert (str(found.secrets_dir), str(found.spool_dir)) == ("/var/run/secrets/cognitive", "/tmp/cognitive-spool")


def test_everything_can_be_set() -> None:
    found = read_settings(GIVEN | {"COGNITIVE_SECRETS_DIR": "/s", "COGNITIVE_SPOOL_DIR": "/p", "LOG_LEVEL": "debug"})
    assert (str(found.secrets_dir), str(found.spool_dir), found.log_level) == ("/s", "/p", "DEBUG")


@pytest.mark.parametrize("name", list(GIVEN))
@pytest.mark.parametrize("value", [None, "", " "])
def test_a_missing_variable_is_named(name: str, value: str | None) -> None:
    environ = {key: text for key, text in GIVEN.items() if key != name} | ({name: value} if value is not None else {})
    with pytest.raises(ConfigError, match=name):
        read_settings(environ)
