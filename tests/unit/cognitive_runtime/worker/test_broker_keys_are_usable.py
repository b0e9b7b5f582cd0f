"""Dependencies of the runtime, installed alone as in its image: they read credentials of the broker."""

from importlib.metadata import requires

from packaging.requirements import Requirement


def test_the_runtime_brings_what_credentials_are_read_by() -> None:
    needed = [Requirement(line) for line in requires("cognitive-runtime") or ()]
    assert "nkeys" in next(each.extras for each in needed if each.name == "nats-py")
