"""The rights that the wire's page grants to an agent, and a broker that grants them and no others."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WIRE = Path(__file__).parents[3] / "docs" / "reference" / "wire.md"


@dataclass(frozen=True)
class Right:
    """A row of the table."""

    verb: str
    subject: str


def rights_of(agent_uid: str, namespace: str = "default") -> list[Right]:
    """Return the rows of the page's table of rights, for one agent."""
    rows = re.findall(r"^\| (publish|subscribe) \| `([^`]+)`", WIRE.read_text(encoding="utf-8"), re.MULTILINE)
    return [
        Right(verb, subject.replace("<agentUID>", agent_uid).replace("<namespace>", namespace))
        for verb, subject in rows
    ]


def authorization(users: Mapping[str, list[Right]]) -> str:
    """Return the part of a configuration that knows an administrator and these users, all with the password x."""
    scoped = [f"{{user: {name}, password: x, permissions: {_permissions(rights)}}}" for name, rights in users.items()]
    return f"authorization {{users: [{', '.join(['{user: admin, password: x}', *scoped])}]}}\n"


def as_user(user: str, url: str, password: str = "x") -> str:
    """Return the URL by which a user connects."""
    return url.replace("nats://", f"nats://{user}:{password}@")


def _permissions(rights: list[Right]) -> str:
    return f"{{publish: {{allow: {_list('publish', rights)}}}, subscribe: {{allow: {_list('subscribe', rights)}}}}}"


def _list(verb: str, rights: list[Right]) -> str:
    return "[" + ", ".join(f'"{right.subject}"' for right in rights if right.verb == verb) + "]"
