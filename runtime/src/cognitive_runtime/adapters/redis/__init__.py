"""Rate limits and result cache in Redis, for workers of several Ray clusters."""

from cognitive_runtime.adapters.redis.quota_store import ReadURL, RedisQuotaStore

__all__ = ["ReadURL", "RedisQuotaStore"]
