"""OpenTelemetry tracing. Its packages are imported only if tracing is enabled."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Variable with the URL of the collector; absent or empty: no tracing. Source: OpenTelemetry's specification."""
_EXPORT_S: Final = 2
_NAME: Final = "cognitive_runtime"
_provider: "list[TracerProvider]" = []
"""Tracer provider of this process, if tracing is enabled."""


class ISpan(Protocol):
    """Span to which attributes can be added."""

    def set_attribute(self, key: str, value: str | int | float) -> None:
        """Add an attribute."""


class _NoopSpan:
    """No-op span, for a process without tracing."""

    def set_attribute(self, key: str, value: str | int | float) -> None:
        """Do nothing."""


def start_tracing(environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Enable tracing if the environment names a collector. Return a function that flushes the spans."""
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
    """Trace a block as a span. An exception marks the span as failed.

    Args:
        name: Name of the span.
        attributes: Attributes that are known at the start.
        traceparent: W3C trace context to continue; None: that of the surrounding span.
    """
    if not _provider:
        yield _NoopSpan()
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent}) if traceparent else None
    with _provider[0].get_tracer(_NAME).start_as_current_span(name, parent, attributes=dict(attributes)) as found:
        yield found


def _flush(within_s: float) -> None:
    for provider in _provider:
        provider.force_flush(round(within_s * 1000))
