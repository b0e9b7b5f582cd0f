"""Readiness probe of the operator, served beside the metrics."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PATH: Final = "/readyz"
_NO_API_SERVER: Final = "the API server does not answer: check it, and the network from the operator to it"
_GRANT: Final = (
    "grant the operator its rights there again, or remove the namespace from COGNITIVE_WATCH_NAMESPACES if it no "
    "longer exists"
)
_TEXT: Final = (("Content-Type", "text/plain; charset=utf-8"),)


@dataclass
class Readiness:
    """State of the API server and of the watched namespaces, for probes and people."""

    is_api_server_available: bool = True
    namespaces: dict[str, str | None] = field(default_factory=dict)
    """Cause of the loss of each watched namespace, None while it is available."""

    @property
    def is_ready(self) -> bool:
        """False without the API server, and while every watched namespace is lost."""
        is_all_lost = bool(self.namespaces) and None not in self.namespaces.values()
        return self.is_api_server_available and not is_all_lost

    def text(self) -> str:
        """Return one line for each fault, or ``ok``."""
        lines = [] if self.is_api_server_available else [_NO_API_SERVER]
        lost = {name: cause for name, cause in sorted(self.namespaces.items()) if cause is not None}
        lines += [f"namespace {name} is lost, its tasks wait: {cause}; {_GRANT}" for name, cause in lost.items()]
        return "\n".join(lines or ["ok"]) + "\n"


def with_readiness(app: "WSGIApplication", readiness: Readiness) -> "WSGIApplication":
    """Return a WSGI application that answers PATH with 200 or 503, and every other path by ``app``."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return app(environ, start_response)
        start_response("200 OK" if readiness.is_ready else "503 Service Unavailable", list(_TEXT))
        return [readiness.text().encode()]

    return answer
