"""The rights that the operator grants are those of the wire's page, and what its account offers holds them all."""

import re
from fnmatch import fnmatchcase

import pytest

from cognitive_operator.desired.broker_rights import CONTROL_EXPORT, SERVICE_EXPORTS, broker_rights
from support.rights.wire import rights_of

UID = "0b9f6e5e-8f3c-4c55-9a5e-111111111111"


@pytest.mark.parametrize("verb", ["publish", "subscribe"])
def test_an_agent_gets_what_the_page_grants(verb: str) -> None:
    documented = [right.subject for right in rights_of(UID, "team") if right.verb == verb]
    assert list(getattr(broker_rights("team", UID), verb)) == documented


def test_every_right_names_its_agent() -> None:
    rights = broker_rights("team", UID)
    for subject in (*rights.publish, *rights.subscribe):
        before_wildcards = re.split(r"[*>]", subject)[0]
        assert UID in before_wildcards


def test_the_operators_account_offers_each_right_once() -> None:
    rights = broker_rights("team", UID)
    for subject in rights.publish:
        assert [offer for offer in SERVICE_EXPORTS if _holds(offer, subject)] == [_first(subject)]
    assert _holds(CONTROL_EXPORT, rights.control)


def _first(subject: str) -> str:
    return next(offer for offer in SERVICE_EXPORTS if _holds(offer, subject))


def _holds(offer: str, subject: str) -> bool:
    return fnmatchcase(subject, offer.replace(">", "*"))
