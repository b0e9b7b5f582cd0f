"""The scripted model of a test."""

from collections.abc import Iterator

import pytest

from support.servers.scripted_model import ScriptedModel


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A scripted model of the test's own."""
    with ScriptedModel() as server:
        yield server
