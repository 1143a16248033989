import { type Context, DiagLogLevel, diag, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import type { Span, SpanOptions, Tracing, TracingOptions } from './tracing.js';
import { VERSION } from './version.js';

/** What the exporter says of itself is logged no more often: while a collector is away it says so with every batch. */
const SAY_MS = 60_000;

/** The SDK behind `openTracing`; its own module, so that nobody loads it who does not trace. */
export function openTelemetry({ service, clock, log }: TracingOptions): Tracing {
  sayWhatFails(clock, log);
  const own = resourceFromAttributes({ [ATTR_SERVICE_NAME]: service, [ATTR_SERVICE_VERSION]: VERSION });
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer('cropstream', VERSION);
  const wallOf = (at: number | undefined) =>
    at === undefined ? undefined : clock.wall() - (clock.now() - at);

  return {
    start(name, { parent, attributes = {}, at }: SpanOptions = {}): Span | null {
      const context = parent === undefined ? ROOT_CONTEXT : contextOf(parent);
      if (context === null) return null;
      const startTime = wallOf(at);
      const span = tracer.startSpan(name, { attributes, ...(startTime && { startTime }) }, context);
      if (!span.isRecording()) return null;
      const { traceId, spanId } = span.spanContext();
      return {
        traceparent: `00-${traceId}-${spanId}-01`,
        set: (more) => void span.setAttributes(more),
        event: (event, more) => void span.addEvent(event, more),
        end(problem, endedAt) {
          if (problem !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: problem });
          span.end(wallOf(endedAt));
        },
      };
    },
    close: () => provider.shutdown(),
  };
}

/** Null for what is no trace context, or one that is not sampled. */
function contextOf(traceparent: string): Context | null {
  const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(traceparent) ?? [];
  if (!traceId || !spanId) return null;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1, isRemote: true });
}

function sayWhatFails(clock: TracingOptions['clock'], log: TracingOptions['log']): void {
  let saidAt = Number.NEGATIVE_INFINITY;
  const say = (reason: string) => {
    if (clock.now() - saidAt < SAY_MS) return;
    saidAt = clock.now();
    log.warn({ reason: reason.slice(0, 500) }, 'traces cannot be sent; they are dropped');
  };
  const quiet = () => {};
  diag.setLogger(
    { error: say, warn: say, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}
