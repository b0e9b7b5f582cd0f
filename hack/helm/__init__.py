"""Helm, as ``go.mod`` pins it."""

from helm.program import Helm, HelmError, find_helm, get_helm

__all__ = ["Helm", "HelmError", "find_helm", "get_helm"]
