"""Limits and answers in a Redis, for workers of several Ray clusters."""

from cognitive_runtime.adapters.redis.ledger import ReadURL, RedisLedger

__all__ = ["ReadURL", "RedisLedger"]
