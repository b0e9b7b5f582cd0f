"""Export of spans to an OpenTelemetry collector, by OTLP over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from cognitive_operator.api.names import MANAGER
from cognitive_operator.ports.telemetry import Span

_EXPORT_S = 5
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtlpTracer:
    """Sends spans in batches (port ``Tracer``). URL and headers are those of the variables ``OTEL_EXPORTER_OTLP_*``.

    A thread sends the spans, so that a slow collector delays no reconciliation. Spans that it refuses are dropped.
    """

    is_on = True

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        package = version("cognitive-operator")
        self._resource = Resource.create({"service.name": MANAGER, "service.version": package})
        self._scope = InstrumentationScope("cognitive_operator", package)
        self._processor: SpanProcessor = BatchSpanProcessor(exporter or OTLPSpanExporter(timeout=_EXPORT_S))

    def export(self, spans: Sequence[Span]) -> None:
        """Queue spans; never blocks, never raises."""
        for span in spans:
            self._processor.on_end(self._readable(span))

    def close(self) -> None:
        """Send the queued spans, within ``_EXPORT_S`` seconds."""
        self._processor.force_flush(_EXPORT_S * 1000)
        self._processor.shutdown()

    def _readable(self, span: Span) -> ReadableSpan:
        status = Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.OK)
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id),
            parent=_context(span.trace_id, span.parent_id) if span.parent_id else None,
            resource=self._resource,
            instrumentation_scope=self._scope,
            attributes=dict(span.attributes),
            kind=SpanKind.INTERNAL,
            status=status,
            start_time=_nanoseconds(span.started_at),
            end_time=_nanoseconds(span.ended_at),
        )


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=_SAMPLED)


def _nanoseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1e9)
