import { type ChannelCredentials, type ChannelOptions, credentials, Metadata } from '@grpc/grpc-js';
import { ClientContext } from './certificates.js';
import { PeerToken } from './peer-token.js';
import type { ClientSecurity } from './security.js';

/** What a client's channels and calls need to be let in: made once, for all services it talks to. */
export class GrpcAccess {
  /** For every channel: channels of one access may share connections. */
  readonly credentials: ChannelCredentials;
  readonly #security: ClientSecurity;
  readonly #token: PeerToken;

  constructor(security: ClientSecurity) {
    this.#security = security;
    this.#token = new PeerToken(security);
    this.credentials = credentialsOf(security);
  }

  /** For the channel to a coordinator. */
  get coordinatorOptions(): ChannelOptions {
    return this.options(this.#security.tls?.serverName ?? '');
  }

  /** For a channel to a service whose certificate has `tlsName`; empty: the host of its address. */
  options(tlsName: string): ChannelOptions {
    return this.#security.tls !== null && tlsName !== '' ? { 'grpc.ssl_target_name_override': tlsName } : {};
  }

  /** For one call. */
  metadata(): Metadata {
    const metadata = new Metadata();
    const { current: token } = this.#token;
    // As metadata of the call: gRPC sends call credentials over TLS alone.
    if (token !== null) metadata.set('authorization', `Bearer ${token}`);
    return metadata;
  }
}

function credentialsOf({ tls }: ClientSecurity): ChannelCredentials {
  return tls === null
    ? credentials.createInsecure()
    : credentials.createFromSecureContext(new ClientContext(tls));
}
