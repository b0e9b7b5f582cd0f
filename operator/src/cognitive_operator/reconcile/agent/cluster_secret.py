"""Keeps the keys of agents in the Secret of the RayCluster that they refer to."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import replace

from cognitive_operator.api.children import RAY_CLUSTER, SECRET
from cognitive_operator.api.names import MANAGER
from cognitive_operator.desired.cluster_secret import (
    MAX_BYTES,
    agent_keys,
    desired_cluster_secret,
    is_kept,
    keys_of,
    owns,
    size_with,
)
from cognitive_operator.desired.secret_sources import secret_sources
from cognitive_operator.errors import (
    CognitiveOperatorError,
    ConflictError,
    ForbiddenError,
    KindAbsentError,
    ObjectInvalidError,
    ObjectNotFoundError,
    TransientError,
)
from cognitive_operator.plan.agent.ray.cluster_secret import (
    NO_CLUSTER_SECRET,
    ClusterSecret,
    foreign,
    not_written,
    too_large,
    wanted_name,
)
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body, Children
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming

logger = logging.getLogger(__name__)


class ClusterSecrets:
    """Copies the keys of agents with ``spec.ray.clusterRef`` into one Secret for each RayCluster.

    Each agent has a field manager of its own, so that no write changes the keys of another agent.
    """

    def __init__(
        self, index: Index, children: Children, clock: Clock, timing: AgentTiming, *, has_accounts: bool
    ) -> None:
        self._index = index
        self._children = children
        self._clock = clock
        self._timing = timing
        self._has_accounts = has_accounts

    async def reconcile(self, record: AgentRecord) -> None:
        """Bring the agent's keys up to date, and record their state; an API server that is away is asked again."""
        if not self._is_due(record):
            return
        place = f"Secret {record.name[0]}/{wanted_name(record.agent)}"
        try:
            found = await self._ensure_keys(record)
        except KindAbsentError:
            found = NO_CLUSTER_SECRET  # RayReady says that KubeRay is absent
        except (ForbiddenError, ObjectInvalidError) as error:
            found = replace(record.cluster_secret, problem=not_written(place, error))
        except TransientError as error:
            logger.info("keys of an agent not checked; will retry", extra={"secret": place, "cause": str(error)})
            return
        generation, now_s = record.agent.metadata.generation, self._clock.monotonic()
        self._index.update_agent(record, cluster_secret=replace(found, generation=generation, read_at_s=now_s))

    async def remove(self, record: AgentRecord) -> str | None:
        """Remove the agent's keys from every Secret that has them; return the problem that is left, None if none is."""
        names = {wanted_name(record.agent), _known_name(record), record.cluster_secret.name}
        for name in sorted(each for each in names if each is not None):
            try:
                await self._withdraw(record, name)
            except CognitiveOperatorError as error:
                return f"Secret {record.name[0]}/{name} may still have the agent's keys: {error}"
        return None

    def _is_due(self, record: AgentRecord) -> bool:
        known, timing = record.cluster_secret, self._timing
        if wanted_name(record.agent) is None and _known_name(record) is None:
            return False
        is_fine = known.is_complete and known.problem is None
        every_s = timing.secret_every_s if is_fine else timing.observe_every_s
        is_new = known.generation != record.agent.metadata.generation
        return is_new or self._clock.monotonic() - known.read_at_s >= every_s

    async def _ensure_keys(self, record: AgentRecord) -> ClusterSecret:
        name, former = wanted_name(record.agent), _known_name(record)
        if former is not None and former != name:
            await self._withdraw(record, former)
        if name is None:
            return NO_CLUSTER_SECRET
        files, is_complete = await self._files(record)
        known, digest = record.cluster_secret, _digest(name, files)
        state = replace(known, is_complete=is_complete)
        if known.digest == digest and known.problem is None and not self._must_verify(record):
            return state
        return await self._write(record, replace(state, digest=digest), name, files)

    def _must_verify(self, record: AgentRecord) -> bool:
        """Return True if the Secret, which grows with the number of agents, is to be read again."""
        is_mounted = record.credentials.is_true or any(lease.ready for lease in record.fresh_leases)
        every_s = self._timing.cluster_secret_every_s if is_mounted else self._timing.secret_every_s
        return self._clock.monotonic() - record.cluster_secret.verified_at_s >= every_s

    async def _write(
        self, record: AgentRecord, state: ClusterSecret, name: str, files: Mapping[str, str]
    ) -> ClusterSecret:
        namespace, ref = record.name[0], record.agent.spec.ray.cluster_ref
        assert ref is not None
        place, now_s = f"Secret {namespace}/{name}", self._clock.monotonic()
        cluster = await self._children.get(RAY_CLUSTER, namespace, ref.name)
        live = await self._children.get(SECRET, namespace, name)
        if cluster is None or (live is None and not files):
            return replace(state, digest="")
        if live is not None and not is_kept(live):
            return replace(state, problem=foreign(place))
        own = keys_of(live, record.uid) if live is not None else {}
        size = size_with(live, record.uid, files)
        if size > MAX_BYTES and size > size_with(live, record.uid, own):
            return replace(state, problem=too_large(place, size))
        if live is None or not owns(live, cluster):
            live = await self._children.apply_fields(desired_cluster_secret(cluster), MANAGER)
        if own != files:
            await self._apply(live, record, name, files)
        added_at_s = now_s if set(files) - set(own) else state.added_at_s
        return replace(
            state, name=name, files=tuple(sorted(files)), verified_at_s=now_s, added_at_s=added_at_s, problem=None
        )

    async def _withdraw(self, record: AgentRecord, name: str) -> None:
        live = await self._children.get(SECRET, record.name[0], name)
        if live is None or not is_kept(live) or not keys_of(live, record.uid):
            return
        try:
            await self._apply(live, record, name, {})
        except (ConflictError, ObjectNotFoundError):
            return  # the Secret was deleted or recreated

    async def _apply(self, live: Body, record: AgentRecord, name: str, files: Mapping[str, str]) -> None:
        manifest = agent_keys(record.name[0], name, record.uid, files)
        manifest["metadata"]["uid"] = live["metadata"]["uid"]
        await self._children.apply_fields(manifest, f"{MANAGER}-{record.uid}")
        what = {"agent": "/".join(record.name), "secret": name, "files": sorted(files)}
        logger.info("applied an agent's keys to the Secret of its RayCluster", extra=what)

    async def _files(self, record: AgentRecord) -> tuple[dict[str, str], bool]:
        """Return the base64 content of the agent's files by their names, and True if none of them is missing."""
        sources = secret_sources(record.agent)
        wanted = sources if self._has_accounts else sources[:-1]
        files: dict[str, str] = {}
        for source in wanted:
            secret = await self._children.get(SECRET, record.name[0], source.secret)
            value = ((secret or {}).get("data") or {}).get(source.key)
            if value:
                files[source.file] = value
        return files, len(files) == len(wanted)


def _known_name(record: AgentRecord) -> str | None:
    """Return the name of the Secret that the agent's status names, which another process may have written."""
    name = (record.body.get("status") or {}).get("secretName")
    return str(name) if name else None


def _digest(name: str, files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([name, dict(files)], sort_keys=True).encode()).hexdigest()
