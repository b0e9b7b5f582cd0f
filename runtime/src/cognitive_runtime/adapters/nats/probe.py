"""Checks of the broker for the doctor. They make an executor's calls in a way that changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client

from cognitive_runtime.adapters.nats.connection import BrokerSettings
from cognitive_runtime.adapters.nats.outage import credentials_file, is_refusal
from cognitive_runtime.adapters.nats.probe_calls import ProbeCall, agent_probe_calls, layout_probe_calls
from cognitive_runtime.domain.finding import Finding, failed, passed, skipped

_DEFAULT_PORT: Final = 4222
_CONNECT_S: Final = 2
_ANSWER_S: Final = 1.5
_FLUSHES: Final = 2
"""The library's first ping overtakes unwritten messages; the second does not."""
_STREAM_HINT: Final = (
    "the operator creates streams, consumers and buckets: check that it runs and is connected to this broker"
)
_RIGHTS_HINT: Final = "give the agent's user the rights that docs/reference/wire.md lists"


@dataclass(frozen=True)
class ProbeOutcome:
    """Failed calls by the kind of failure."""

    missing: tuple[str, ...]
    """Objects without a responder, which do not exist."""
    refused: tuple[str, ...]
    """Actions that the broker forbids."""
    silent: tuple[str, ...]
    """Objects that did not answer in time."""


class BrokerProbe:
    """Checks of a broker, for one agent or without an agent."""

    def __init__(self, settings: BrokerSettings, namespace: str | None) -> None:
        self._settings = settings
        self._namespace = namespace

    async def reach(self) -> Finding:
        """Check that a nats-server with JetStream answers at one of the URLs."""
        found = [await _server_info(url) for url in self._settings.servers]
        reached = [each for each in found if isinstance(each, dict)]
        problems = "; ".join(each for each in found if isinstance(each, str))
        if not reached:
            return failed(problems or "COGNITIVE_NATS_URL is not set", _reach_hint(self._settings))
        if not any(each.get("jetstream") for each in reached):
            return failed("the broker runs without JetStream", "start nats-server with --jetstream, or `jetstream {}`")
        note = f"; but {problems}" if problems else ""
        return passed(f"nats-server {reached[0].get('version', 'of unknown version')} with JetStream{note}")

    async def log_in(self) -> Finding:
        """Check that the broker accepts the agent's credentials."""
        path = credentials_file(self._settings.credentials)
        with_what = f"the credentials in {path}" if path else "a connection without credentials"
        try:
            async with self._connection([]):
                return passed(f"the broker accepts {with_what}")
        except nats.errors.Error as error:
            if not is_refusal(error):
                return failed(f"the broker cannot be used: {type(error).__name__}", "check the logs of the broker")
            places = " or ".join(str(each) for each in self._settings.credentials) or "nats.creds"
            hint = "renew nats.creds among the agent's secrets" if path else f"mount {places}"
            return failed(f"the broker refuses {with_what}", hint)
        except TimeoutError:
            return failed(f"the broker does not answer to {with_what}", _reach_hint(self._settings))
        except Exception as error:  # the library raises errors of any class for an invalid file
            return failed(
                f"{with_what} cannot be used: {type(error).__name__}",
                "replace nats.creds, which is not a valid credentials file",
            )

    async def find_storage(self) -> Finding:
        """Check that the streams and buckets exist."""
        outcome = await self._probe()
        if outcome.missing:
            return failed(f"missing: {', '.join(outcome.missing)}", _STREAM_HINT)
        if outcome.silent:
            return failed(
                f"no answer from: {', '.join(outcome.silent)}", "check for a stream without a leader: `nats stream ls`"
            )
        if outcome.refused and not self._namespace:
            return skipped("these credentials have no right to read streams", "give --namespace and --agent-uid")
        return passed("streams, buckets and consumer exist" if self._namespace else "streams and buckets exist")

    async def have_rights(self) -> Finding:
        """Check that the agent has all rights of an executor."""
        if not self._namespace:
            return skipped("no agent is given", "give --namespace and --agent-uid")
        refused = (await self._probe()).refused
        if refused:
            return failed(f"not allowed: {', '.join(refused)}", _RIGHTS_HINT)
        return passed("the agent has all rights of an executor")

    async def _probe(self) -> ProbeOutcome:
        uid = self._settings.agent_uid
        calls = agent_probe_calls(self._namespace, uid) if self._namespace else layout_probe_calls()
        errors: list[str] = []
        async with self._connection(errors) as client:
            outcomes = await asyncio.gather(*(_make_call(client, call, errors) for call in calls))
        if _has_no_inbox(errors):
            return ProbeOutcome((), (f"receiving answers on {self._settings.inbox_prefix}.>",), ())
        return ProbeOutcome(*(_names(calls, outcomes, kind) for kind in ("missing", "refused", "silent")))

    @asynccontextmanager
    async def _connection(self, errors: list[str]) -> AsyncIterator[Client]:
        """Connect once. ``errors`` collects the broker's asynchronous errors, such as permission violations."""

        async def on_error(error: Exception) -> None:
            errors.append(str(error).lower())

        path, client = credentials_file(self._settings.credentials), Client()
        try:
            async with asyncio.timeout(_CONNECT_S + 1):
                await client.connect(
                    self._settings.servers,
                    name=self._settings.name,
                    inbox_prefix=self._settings.inbox_prefix,
                    user_credentials=str(path) if path is not None else None,
                    connect_timeout=_CONNECT_S,
                    allow_reconnect=False,
                    error_cb=on_error,
                )
            yield client
        finally:
            await client.close()


async def _make_call(client: Client, call: ProbeCall, errors: Sequence[str]) -> str:
    try:
        if call.subscribes:
            await client.subscribe(call.subject)
        elif call.waits:
            await client.request(call.subject, call.payload, timeout=_ANSWER_S, headers=dict(call.headers) or None)
        else:
            await client.publish(call.subject, call.payload)
        for _ in range(0 if call.waits else _FLUSHES):
            await client.flush()
    except nats.errors.NoRespondersError:
        return "missing"
    except nats.errors.TimeoutError:
        return "refused" if _is_refused(call, errors) else "silent"
    return "refused" if _is_refused(call, errors) else "there"


def _is_refused(call: ProbeCall, errors: Sequence[str]) -> bool:
    return any("permissions violation" in text and f'"{call.subject.lower()}"' in text for text in errors)


def _has_no_inbox(errors: Sequence[str]) -> bool:
    return any('permissions violation for subscription to "_inbox.' in text for text in errors)


def _names(calls: Sequence[ProbeCall], outcomes: Sequence[str], kind: str) -> tuple[str, ...]:
    found = (call.names[kind == "refused"] for call, outcome in zip(calls, outcomes, strict=True) if outcome == kind)
    return tuple(dict.fromkeys(found))


async def _server_info(url: str) -> dict[str, object] | str:
    """Return the INFO message of a nats-server, or the problem as text."""
    parts = urlsplit(url if "://" in url else f"nats://{url}")
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORT
    try:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                line = await reader.readline()
            finally:
                writer.close()
        found = json.loads(line.removeprefix(b"INFO "))
        return found if isinstance(found, dict) else f"{host}:{port} is not a nats-server"
    except TimeoutError:
        return f"{host}:{port} does not answer"
    except OSError as error:
        return f"{host}:{port} cannot be reached: {error.strerror or type(error).__name__}"
    except ValueError:
        return f"{host}:{port} is not a nats-server"


def _reach_hint(settings: BrokerSettings) -> str:
    if not settings.servers:
        return "give --nats-url or set it, for example nats://nats.nats.svc:4222; a Ray job gets it from the operator"
    return "check host and port, and the network policy between here and the broker"
