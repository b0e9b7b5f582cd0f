"""The providers are the same in the CRD, in the operator and in the library."""

from typing import get_args

import pytest

from cognitive_operator.api.providers import PUBLIC_ENDPOINTS, Provider
from cognitive_runtime.llm_config import PROVIDERS
from support.builders.crd_schema import fields, part

SPEC = dict(fields(part("CognitiveAgent", "spec")))


@pytest.mark.parametrize("path", [("llm",), ("llm", "fallbacks", "[]")], ids=".".join)
def test_the_crd_has_the_providers_of_the_operator(path: tuple[str, ...]) -> None:
    assert SPEC[*path, "provider"]["enum"] == list(get_args(Provider))


def test_the_library_knows_the_same_ones_and_the_seeds_name_for_an_own_server() -> None:
    assert set(PROVIDERS) == {*get_args(Provider), "local"}


def test_public_apis_are_the_same_everywhere_and_the_crd_says_them() -> None:
    assert {name: found.api_base for name, found in PROVIDERS.items() if found.api_base} == PUBLIC_ENDPOINTS
    description = SPEC["llm", "endpoint"]["description"]
    assert [url for url in PUBLIC_ENDPOINTS.values() if url not in description] == []
