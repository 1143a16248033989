import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions, type Server } from 'node:tls';
import { Counter, Gauge, type Registry } from 'prom-client';
import { Reread } from './reread.js';
import {
  type ClientTls,
  ofVariable,
  readClientTls,
  readServerTls,
  type ServerTls,
  VARIABLE_NAMES,
} from './tls-files.js';

/** What replaced certificates change: handshakes from then on. Connections that are open go on. */

/** The part of a logger that certificates use. */
interface CertificatesLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A service's certificate, key and authorities, as their files say now. */
export class ServerCertificates {
  readonly #value: Reread<ServerTls>;
  readonly #servers = new Set<Server>();
  #reloads = 0;
  #failures = 0;

  constructor(tls: ServerTls, log: CertificatesLog) {
    const { files, name } = tls;
    this.#value = new Reread(tls, {
      files: Object.values(files).filter((file) => file !== null),
      read: () => readServerTls(files, name),
      replaced: (replaced) => {
        this.#reloads++;
        const until = new X509Certificate(replaced.cert).validTo;
        log.info(
          { cert: files.cert, until },
          'the certificates were replaced: new connections get the new ones',
        );
        for (const server of this.#servers) server.setSecureContext(this.context);
      },
      failed: (err) => {
        this.#failures++;
        log.error({ err, cert: files.cert }, 'replaced certificates cannot be used: those before go on');
      },
    });
  }

  /** As of about a second ago at most. */
  get current(): ServerTls {
    return this.#value.current;
  }

  /** The current ones as options of a TLS server. */
  get context(): SecureContextOptions {
    const { cert, key, clientCa } = this.current;
    return { cert, key, ...(clientCa !== null && { ca: clientCa }) };
  }

  /** Lets a TLS server make each handshake with those that are current then. */
  follow(server: Server): void {
    this.#servers.add(server);
    server.once('close', () => this.#servers.delete(server));
    // Before the handshake, so that it is made with what the files say now.
    server.prependListener('connection', () => void this.current);
  }

  /** Their metrics: when they end, and how often they were replaced, or could not be. */
  observe(registry: Registry): void {
    const registers = [registry];
    const certificates = this;
    new Gauge({
      name: 'cropstream_tls_certificate_expiry_timestamp_seconds',
      help: "When the first of the service's certificates, or of its clients' authorities, ends; as Unix time.",
      labelNames: ['certificate'],
      registers,
      collect() {
        const { cert, clientCa } = certificates.current;
        this.set({ certificate: 'service' }, expiryOf(cert));
        if (clientCa !== null) this.set({ certificate: 'client_authorities' }, expiryOf(clientCa));
      },
    });
    const counter = (name: string, help: string, value: () => number) =>
      new Counter({
        ...{ name, help, registers },
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    counter(
      'cropstream_tls_reloads_total',
      'Replaced certificates that were taken over.',
      () => this.#reloads,
    );
    counter(
      'cropstream_tls_reload_failures_total',
      'Replaced certificates that could not be used.',
      () => this.#failures,
    );
  }
}

/** What a client's TLS handshakes start from. grpc-js and Node ask it at each one, so that it may change between them. */
export class ClientContext implements SecureContext {
  readonly #value: Reread<ClientTls>;
  #made: { readonly of: ClientTls; readonly context: SecureContext } | null = null;

  constructor(tls: ClientTls) {
    const { files, serverName } = tls;
    const { ca, cert, key } = files;
    this.#value = new Reread(tls, {
      files: [ca, cert, key].filter((file) => file !== null),
      // What is wrong with them is told by the service that refuses those before, at the latest when they end.
      read: () => readClientTls(files, serverName, VARIABLE_NAMES, ofVariable),
    });
  }

  get context(): SecureContext['context'] {
    const of = this.#value.current;
    if (this.#made?.of !== of) {
      const { ca, identity } = of;
      const context = createSecureContext({
        ...(ca !== null && { ca: [...ca] }),
        ...identity,
        // A service's own certificate may be trusted in place of its authority, as by gRPC's other clients.
        allowPartialTrustChain: true,
      });
      this.#made = { of, context };
    }
    return this.#made.context.context;
  }
}

/** When the first of some certificates ends, as Unix time in seconds. */
function expiryOf(pem: string): number {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [pem];
  return Math.min(...certificates.map((text) => Date.parse(new X509Certificate(text).validTo))) / 1000;
}
