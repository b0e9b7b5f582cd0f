"""Cognitive core of an executor, with its limits."""

import asyncio
import logging
from importlib.metadata import version

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.member_spool import MemberSpool
from cognitive_runtime.adapters.secrets import SecretFiles
from cognitive_runtime.application import Deliberate, Limits, OpenRedis
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import ILimits, IQuotaStore, IReasoner, ISideEffects


def redis_quota_stores(settings: RuntimeSettings, agent_uid: str) -> OpenRedis:
    """Return a function that opens the agent's quota store in Redis. It imports the Redis client."""

    async def open_redis(url_file: str) -> IQuotaStore:
        from cognitive_runtime.adapters.redis import RedisQuotaStore

        return RedisQuotaStore(agent_uid, lambda: SecretFiles(settings.secrets_dir, agent_uid).read(url_file))

    return open_redis


def attempt_limits(settings: RuntimeSettings, namespace: str, agent_uid: str) -> ILimits:
    """Return the limits of an attempt in Job mode. Ray, which takes seconds to join, is used only if limits are set."""

    def open_quota_store() -> IQuotaStore:
        from cognitive_runtime.adapters.ray.quota_store import attempt_quota_store

        return attempt_quota_store(namespace, agent_uid)

    return Limits(
        lambda: asyncio.to_thread(open_quota_store), SystemClock(), open_redis=redis_quota_stores(settings, agent_uid)
    )


def make_cognitive_core(
    settings: RuntimeSettings, effects: ISideEffects | None = None, limits: ILimits | None = None
) -> IReasoner:
    """Return the cognitive core on a pool of model connections, with deliberations. Takes seconds for its imports."""
    load_reasoning()
    return assemble_core(settings, effects, limits)


def load_reasoning() -> None:
    """Import everything that a core needs. Takes seconds; must not be called on a thread with a running event loop."""
    from cognitive_runtime.adapters.dspy import load_dspy
    from cognitive_runtime.adapters.model import load_client
    from cognitive_runtime.adapters.tools import toolbox  # noqa: F401  imported for the core

    load_client()
    load_dspy()
    # DSPy's own lines are no JSON, and its warnings about an attempt repeat what the result says.
    logging.getLogger("dspy").setLevel(logging.ERROR)


def assemble_core(
    settings: RuntimeSettings, effects: ISideEffects | None = None, limits: ILimits | None = None
) -> IReasoner:
    """Return the core of ``make_cognitive_core`` in a process that has called ``load_reasoning``."""
    from cognitive_runtime.adapters.dspy import CognitiveCore, ToolTasks
    from cognitive_runtime.adapters.model import ModelPool
    from cognitive_runtime.adapters.tools.toolbox import Toolboxes

    def read_secret(agent_uid: str, name: str) -> str:
        return SecretFiles(settings.secrets_dir, agent_uid).read(name)

    toolboxes = Toolboxes(read_secret, protected=(settings.secrets_dir, settings.spool_dir))
    core = CognitiveCore(ModelPool(read_secret), limits=limits, tools=ToolTasks(toolboxes, effects))
    return Deliberate(core, SystemClock(), MemberSpool(settings.spool_dir, version("cognitive-runtime")))
