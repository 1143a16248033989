import { once } from 'node:events';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, string | number | boolean>>;
}

interface WireSpan {
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId: Buffer;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly KeyValue[];
  readonly events: readonly { readonly name: string }[];
  readonly status: { readonly message: string; readonly code: number } | null;
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

/** A span as the receiver got it. */
export interface ReceivedSpan {
  readonly service: string;
  readonly trace: string;
  readonly id: string;
  /** Empty: it begins its trace. */
  readonly parent: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly events: readonly string[];
  readonly failed: boolean;
}

const { Export } = loadSync(fileURLToPath(new URL('otlp.proto', import.meta.url)), { longs: String })[
  'otlp.TraceService'
] as ServiceDefinition;

/** An OpenTelemetry collector as far as services see it: takes traces over HTTP in protobuf, and keeps their spans. */
export class Receiver {
  readonly spans: ReceivedSpan[] = [];
  requests = 0;

  private constructor(
    readonly endpoint: string,
    readonly close: () => void,
  ) {}

  static async start(): Promise<Receiver> {
    const server = createServer(async (request, response) => {
      const body = await buffer(request);
      const plain = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
      receiver.requests++;
      if (request.url === '/v1/traces') receiver.#take(Export!.requestDeserialize(plain) as Export);
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const receiver = new Receiver(`http://127.0.0.1:${port}`, () => {
      server.closeAllConnections();
      server.close();
    });
    return receiver;
  }

  /** Each trace's spans, by its id. */
  get traces(): ReadonlyMap<string, readonly ReceivedSpan[]> {
    const traces = new Map<string, ReceivedSpan[]>();
    for (const span of this.spans) {
      const known = traces.get(span.trace);
      if (known) known.push(span);
      else traces.set(span.trace, [span]);
    }
    return traces;
  }

  #take({ resourceSpans }: Export): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = String(attributesOf(resource.attributes)['service.name']);
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          ...{ service, trace: hex(span.traceId), id: hex(span.spanId), parent: hex(span.parentSpanId) },
          name: span.name,
          startMs: Number(span.startTimeUnixNano) / 1e6,
          endMs: Number(span.endTimeUnixNano) / 1e6,
          attributes: attributesOf(span.attributes),
          events: (span.events ?? []).map(({ name }) => name),
          failed: span.status?.code === 2,
        });
      }
    }
  }
}

function hex(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString('hex');
}

function attributesOf(pairs: readonly KeyValue[] = []) {
  return Object.fromEntries(
    pairs.map(({ key, value }) => {
      const [plain = ''] = Object.values(value);
      return [key, 'intValue' in value ? Number(plain) : plain];
    }),
  );
}
