"""Looks at the broker for the doctor, by the very calls that an executor makes, made so that they change nothing."""

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
from cognitive_runtime.adapters.nats.probe_calls import ProbeCall, agent_probe_calls, layout_probe_calls
from cognitive_runtime.domain.finding import Finding, failed, passed, skipped

_DEFAULT_PORT: Final = 4222
_CONNECT_S: Final = 2
_ANSWER_S: Final = 1.5
_FLUSHES: Final = 2
"""The library's ping overtakes what it has not written yet; the second one does not."""
_STREAM_HINT: Final = "the operator makes streams, consumers and buckets: is it running, and connected to this broker?"
_RIGHTS_HINT: Final = "give the agent's user the rights that docs/reference/wire.md lists"


@dataclass(frozen=True)
class ProbeOutcome:
    """What came of the trials: each is in one of these or went well."""

    missing: tuple[str, ...]
    """Nobody answers: what they ask of does not exist."""
    refused: tuple[str, ...]
    """The broker does not allow them."""
    silent: tuple[str, ...]
    """Neither an answer nor a word why."""


class BrokerProbe:
    """A broker as one agent sees it, or as nobody in particular."""

    def __init__(self, settings: BrokerSettings, namespace: str | None) -> None:
        self._settings = settings
        self._namespace = namespace

    async def reach(self) -> Finding:
        """Say whether a nats-server with JetStream answers at one of the URLs at least."""
        found = [await _greeting(url) for url in self._settings.servers]
        reached = [each for each in found if isinstance(each, dict)]
        troubles = "; ".join(each for each in found if isinstance(each, str))
        if not reached:
            return failed(troubles or "COGNITIVE_NATS_URL is not set", _reach_hint(self._settings))
        if not any(each.get("jetstream") for each in reached):
            return failed("the broker runs without JetStream", "start nats-server with --jetstream, or `jetstream {}`")
        note = f"; but {troubles}" if troubles else ""
        return passed(f"nats-server {reached[0].get('version', 'of unknown version')} with JetStream{note}")

    async def log_in(self) -> Finding:
        """Say whether the broker takes the agent's credentials."""
        path = self._settings.credentials
        has_file = path is not None and path.is_file()
        with_what = f"the credentials in {path}" if has_file else "a connection without credentials"
        try:
            async with self._connection([]):
                return passed(f"the broker takes {with_what}")
        except nats.errors.Error as error:
            if "authoriz" not in str(error).lower() and "authentic" not in str(error).lower():
                return failed(f"the broker cannot be used: {type(error).__name__}", "look at the broker's own logs")
            hint = "renew nats.creds among the agent's secrets" if has_file else f"mount {path or 'nats.creds'}"
            return failed(f"the broker refuses {with_what}", hint)
        except TimeoutError:
            return failed(f"the broker does not answer to {with_what}", _reach_hint(self._settings))
        except Exception as error:  # what a broken file makes the library raise has no class of its own
            return failed(f"{with_what} cannot be used: {type(error).__name__}", "nats.creds is no credentials file")

    async def find_storage(self) -> Finding:
        """Say whether the streams and buckets are there."""
        tried = await self._try()
        if tried.missing:
            return failed(f"not there: {', '.join(tried.missing)}", _STREAM_HINT)
        if tried.silent:
            return failed(
                f"no answer from: {', '.join(tried.silent)}", "a stream without a leader? See `nats stream ls`"
            )
        if tried.refused and not self._namespace:
            return skipped("these credentials may not look at streams", "give --namespace and --agent-uid")
        return passed("streams, buckets and consumer are there" if self._namespace else "streams and buckets are there")

    async def have_rights(self) -> Finding:
        """Say whether the agent may do all that its executor does."""
        if not self._namespace:
            return skipped("the rights of no agent are asked for", "give --namespace and --agent-uid")
        refused = (await self._try()).refused
        if refused:
            return failed(f"not allowed: {', '.join(refused)}", _RIGHTS_HINT)
        return passed("all that an executor does is allowed")

    async def _try(self) -> ProbeOutcome:
        uid = self._settings.agent_uid
        trials = agent_probe_calls(self._namespace, uid) if self._namespace else layout_probe_calls()
        said: list[str] = []
        async with self._connection(said) as client:
            outcomes = await asyncio.gather(*(_attempt(client, trial, said) for trial in trials))
        if _is_deaf(said):
            return ProbeOutcome((), (f"hearing answers on {self._settings.inbox_prefix}.>",), ())
        return ProbeOutcome(*(_names(trials, outcomes, kind) for kind in ("missing", "refused", "silent")))

    @asynccontextmanager
    async def _connection(self, said: list[str]) -> AsyncIterator[Client]:
        """Connect once; ``said`` collects what the broker says on the side, such as a violation of rights."""

        async def hear(error: Exception) -> None:
            said.append(str(error).lower())

        path, client = self._settings.credentials, Client()
        try:
            async with asyncio.timeout(_CONNECT_S + 1):
                await client.connect(
                    self._settings.servers,
                    name=self._settings.name,
                    inbox_prefix=self._settings.inbox_prefix,
                    user_credentials=str(path) if path is not None and path.is_file() else None,
                    connect_timeout=_CONNECT_S,
                    allow_reconnect=False,
                    error_cb=hear,
                )
            yield client
        finally:
            await client.close()


async def _attempt(client: Client, trial: ProbeCall, said: Sequence[str]) -> str:
    try:
        if trial.subscribes:
            await client.subscribe(trial.subject)
        elif trial.waits:
            await client.request(trial.subject, trial.payload, timeout=_ANSWER_S, headers=dict(trial.headers) or None)
        else:
            await client.publish(trial.subject, trial.payload)
        for _ in range(0 if trial.waits else _FLUSHES):
            await client.flush()
    except nats.errors.NoRespondersError:
        return "missing"
    except nats.errors.TimeoutError:
        return "refused" if _is_refused(trial, said) else "silent"
    return "refused" if _is_refused(trial, said) else "there"


def _is_refused(trial: ProbeCall, said: Sequence[str]) -> bool:
    return any("permissions violation" in text and f'"{trial.subject.lower()}"' in text for text in said)


def _is_deaf(said: Sequence[str]) -> bool:
    return any('permissions violation for subscription to "_inbox.' in text for text in said)


def _names(trials: Sequence[ProbeCall], outcomes: Sequence[str], kind: str) -> tuple[str, ...]:
    found = (trial.names[kind == "refused"] for trial, outcome in zip(trials, outcomes, strict=True) if outcome == kind)
    return tuple(dict.fromkeys(found))


async def _greeting(url: str) -> dict[str, object] | str:
    """Return what a nats-server says of itself to whoever connects, else what is wrong."""
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
        return found if isinstance(found, dict) else f"{host}:{port} is no nats-server"
    except TimeoutError:
        return f"{host}:{port} does not answer"
    except OSError as error:
        return f"{host}:{port} cannot be reached: {error.strerror or type(error).__name__}"
    except ValueError:
        return f"{host}:{port} is no nats-server"


def _reach_hint(settings: BrokerSettings) -> str:
    if not settings.servers:
        return "give --nats-url or set it, for example nats://nats.nats.svc:4222; a Ray job gets it from the operator"
    return "check host and port, and the network policy between here and the broker"
