"""Ray of an agent: its RayCluster, Jobs API, executor and warm slots, and API keys in a shared cluster's Secret."""
