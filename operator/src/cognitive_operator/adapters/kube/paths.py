"""Paths of the Kubernetes API."""

from urllib.parse import quote

from cognitive_operator.api.names import GROUP, VERSION


def core_path(namespace: str, plural: str, name: str | None = None) -> str:
    """Return the path of one core object, or of the whole collection if ``name`` is None."""
    return _path("/api/v1", namespace, plural, name)


def custom_path(namespace: str, plural: str, name: str | None = None) -> str:
    """Return the path of one of the operator's custom resources, or of the collection if ``name`` is None."""
    return _path(f"/apis/{GROUP}/{VERSION}", namespace, plural, name)


def child_path(api_version: str, namespace: str, plural: str, name: str | None = None) -> str:
    """Return the path of an agent's child, which may be in any API group, or of the collection if ``name`` is None."""
    root = "/apis" if "/" in api_version else "/api"
    return _path(f"{root}/{api_version}", namespace, plural, name)


def _path(root: str, namespace: str, plural: str, name: str | None) -> str:
    objects = f"{root}/namespaces/{quote(namespace, safe='')}/{quote(plural, safe='')}"
    return objects if name is None else f"{objects}/{quote(name, safe='')}"
