"""Spans by OpenTelemetry. Until ``start_tracing`` there are none, and its packages are not imported."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Variable with the collector's URL; absent or empty: no traces. Source: OpenTelemetry's specification."""
_EXPORT_S: Final = 2
_NAME: Final = "cognitive_runtime"
_provider: "list[TracerProvider]" = []
"""The one of this process, once it traces."""


class ISpan(Protocol):
    """What is known of a span only after it began."""

    def set_attribute(self, key: str, value: str | int | float) -> None:
        """Add an attribute."""


class _Silent:
    """A span that nobody asked for."""

    def set_attribute(self, key: str, value: str | int | float) -> None:
        """Drop it."""


def start_tracing(environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Trace from now on if the environment names a collector; return what sends what is left, within seconds."""
    if not environ.get(ENDPOINT) or _provider:
        return partial(_flush, _EXPORT_S)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "cognitive-runtime", "service.version": version("cognitive-runtime")})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_EXPORT_S)))
    _provider.append(provider)
    return partial(_flush, _EXPORT_S)


@contextmanager
def span(name: str, attributes: Mapping[str, str | int], traceparent: str | None = None) -> Iterator[ISpan]:
    """Trace a block; an exception that leaves it is the span's error.

    Args:
        name: What is done.
        attributes: What is known of it at its begin.
        traceparent: W3C context to continue; None: that of the span around this one.
    """
    if not _provider:
        yield _Silent()
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent}) if traceparent else None
    with _provider[0].get_tracer(_NAME).start_as_current_span(name, parent, attributes=dict(attributes)) as found:
        yield found


def _flush(within_s: float) -> None:
    for provider in _provider:
        provider.force_flush(round(within_s * 1000))
