import type { LimitTable } from '../service-variables.js';

/** What a client of the HTTP port may take, in one place; each is configurable and documented in docs/operations.md. */
export interface HttpLimits {
  /** Connections at once; one address has half of them at most. */
  readonly maxConnections: number;
  /** Requests over one connection, which is closed then. */
  readonly maxConnectionRequests: number;
  /** A request's line and headers. */
  readonly headerBytes: number;
  /** A request's body. */
  readonly bodyBytes: number;
  /** A TLS handshake, and then a request's line and headers, are ended after so long each. */
  readonly headersMs: number;
  /** A request is ended that has not arrived as a whole after so long. */
  readonly requestMs: number;
  /** A connection without a request is closed after so long. */
  readonly idleMs: number;
  /** A connection on which nothing moves for so long while a request is answered is ended. */
  readonly stalledMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  maxConnections: 1024,
  maxConnectionRequests: 10_000,
  headerBytes: 16 << 10,
  bodyBytes: 4 << 20,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 60_000,
  stalledMs: 60_000,
};

export const HTTP_LIMITS: LimitTable<HttpLimits> = {
  maxConnections: [
    'CROPSTREAM_HTTP_CONNECTIONS',
    'Connections to the HTTP port at once; one address has half of them at most',
  ],
  maxConnectionRequests: [
    'CROPSTREAM_HTTP_CONNECTION_REQUESTS',
    'Requests over one HTTP connection, which is closed then',
  ],
  headerBytes: ['CROPSTREAM_HTTP_HEADER_BYTES', 'The line and headers of an HTTP request'],
  bodyBytes: ['CROPSTREAM_HTTP_BODY_BYTES', 'The body of an HTTP request'],
  headersMs: [
    'CROPSTREAM_HTTP_HEADERS',
    'A TLS handshake on the HTTP port, and then the headers of a request, are ended after so long each',
  ],
  requestMs: [
    'CROPSTREAM_HTTP_REQUEST',
    'An HTTP request is ended that has not arrived as a whole after so long',
  ],
  idleMs: ['CROPSTREAM_HTTP_IDLE', 'An HTTP connection without a request is closed after so long'],
  stalledMs: [
    'CROPSTREAM_HTTP_STALLED',
    'An HTTP connection on which nothing moves for so long while a request is answered is ended',
  ],
};
