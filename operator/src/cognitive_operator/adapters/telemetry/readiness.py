"""Readiness probe of the operator, served beside the metrics."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PATH: Final = "/readyz"
_TEXT: Final = (("Content-Type", "text/plain; charset=utf-8"),)


def with_readiness(app: "WSGIApplication", is_ready: Callable[[], bool]) -> "WSGIApplication":
    """Return a WSGI application that answers PATH with 200 or 503, and every other path by ``app``."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return app(environ, start_response)
        if is_ready():
            start_response("200 OK", list(_TEXT))
            return [b"ok\n"]
        start_response("503 Service Unavailable", list(_TEXT))
        return [b"the API server does not answer\n"]

    return answer
