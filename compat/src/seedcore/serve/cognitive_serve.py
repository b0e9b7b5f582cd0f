"""Deployment of a cognitive core, and its client."""

from cognitive_runtime.cognitive_serve import CognitiveCoreClient, deploy_cognitive_core

__all__ = ["CognitiveCoreClient", "deploy_cognitive_core"]
