import type { Attributes } from '@opentelemetry/api';
import type { Clock } from './clock.js';

export type { Attributes } from '@opentelemetry/api';

/** One piece of work in a trace. */
export interface Span {
  /** W3C trace context: what work elsewhere begins from. */
  readonly traceparent: string;
  set(attributes: Attributes): void;
  event(name: string, attributes?: Attributes): void;
  /** @param problem what went wrong, if anything did @param at in milliseconds of the clock; now by default */
  end(problem?: string, at?: number): void;
}

export interface SpanOptions {
  /** The trace context that it continues. @default a trace of its own */
  readonly parent?: string | undefined;
  readonly attributes?: Attributes;
  /** In milliseconds of the clock. @default now */
  readonly at?: number;
}

/** Where spans are started. */
export interface Tracer {
  /** Null where its trace is not sampled: then nothing is to be told of it, here or elsewhere. */
  start(name: string, options?: SpanOptions): Span | null;
}

export interface Tracing extends Tracer {
  /** Sends what is left. */
  close(): Promise<void>;
}

export interface TracingOptions {
  /** `service.name`, unless OTEL_SERVICE_NAME says another. */
  readonly service: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
}

/**
 * Traces by OpenTelemetry, as its standard variables say: where to (OTEL_EXPORTER_OTLP_ENDPOINT or
 * OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, by HTTP in protobuf), how many (OTEL_TRACES_SAMPLER), and how much waits to be sent
 * (OTEL_BSP_MAX_QUEUE_SIZE, 2048 spans; what comes beyond is dropped). Null, and nothing is loaded, where there is no endpoint or
 * OTEL_SDK_DISABLED is true.
 */
export async function openTracing(options: TracingOptions): Promise<Tracing | null> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SDK_DISABLED } = options.env;
  if (!OTEL_EXPORTER_OTLP_ENDPOINT && !OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return null;
  if (OTEL_SDK_DISABLED?.toLowerCase() === 'true') return null;
  const { openTelemetry } = await import('./open-telemetry.js');
  return openTelemetry(options);
}
