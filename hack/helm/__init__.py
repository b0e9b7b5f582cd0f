"""Helm in the version pinned by ``go.mod``."""

from helm.program import Helm, HelmError, find_helm, get_helm

__all__ = ["Helm", "HelmError", "find_helm", "get_helm"]
