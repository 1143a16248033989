import { type CropstreamError, failure } from '@cropstream/errors';

/**
 * What kept a connection from being made, in words: gRPC libraries tell it as the text of whatever failed first, an
 * operating system's or OpenSSL's.
 */

interface TlsProblem {
  readonly sign: RegExp;
  readonly reason: string;
  readonly fix: string;
}

/** In the order of their telling: OpenSSL's texts name several things. */
const TLS_PROBLEMS: readonly TlsProblem[] = [
  {
    sign: /altnames/i,
    reason: 'its certificate is for other names',
    fix: "Reach it by a name in its certificate, or tell that name: tls.serverName (CROPSTREAM_TLS_SERVER_NAME) for a coordinator, the worker's own CROPSTREAM_TLS_NAME.",
  },
  {
    sign: /has expired|not yet valid/i,
    reason: 'its certificate is not valid today',
    fix: "Renew it, or set this machine's clock.",
  },
  {
    sign: /unable to (verify|get)|self.signed|issuer|signature failure|untrusted/i,
    reason: 'its certificate is not from an authority that is trusted here',
    fix: "Give the authority's certificate: tls.ca, or CROPSTREAM_TLS_CA.",
  },
  {
    sign: /wrong version number|packet length too long|http request/i,
    reason: 'it does not speak TLS',
    fix: 'Leave TLS out here (CROPSTREAM_TLS=false), or give the service a certificate (CROPSTREAM_TLS_CERT).',
  },
  {
    sign: /alert (number|certificate|bad|unknown|handshake)|certificate required/i,
    reason: 'it refuses the certificate of this client, or wants one',
    fix: "Give one that the service's CROPSTREAM_TLS_CLIENT_CA signed: tls.cert and tls.key, or CROPSTREAM_TLS_CERT and CROPSTREAM_TLS_KEY.",
  },
  {
    sign: /SSL routines|\bERR_(SSL|TLS)_|handshake/i,
    reason: 'the TLS handshake failed',
    fix: 'Both sides need TLS 1.2 or newer. The service may want another certificate of this client.',
  },
];

const CLOSED =
  'it closes connections at once: another program, or one that wants TLS (CROPSTREAM_TLS_CA) or a certificate of its clients';

const REASONS: readonly (readonly [sign: RegExp, reason: string])[] = [
  [/ECONNREFUSED/, 'the connection is refused: nothing listens there'],
  [/Name resolution failed|ENOTFOUND|EAI_AGAIN/, 'its name does not resolve'],
  [/ETIMEDOUT|Waiting for LB pick|Deadline exceeded/, 'no answer in time'],
  [/EHOSTUNREACH|ENETUNREACH/, 'there is no route to it'],
  [/Protocol error/, 'it does not speak gRPC'],
  [/Failed to connect/, CLOSED],
  [/ECONNRESET|EPIPE|Connection dropped|Connection closed|GOAWAY|RST_STREAM/i, 'the connection was cut'],
];

/** The failure that grpc-js describes by `text`, of a call to `target` that got no answer. */
export function connectionFailure(text: string, target: string, options?: ErrorOptions): CropstreamError {
  const tls = TLS_PROBLEMS.find(({ sign }) => sign.test(text));
  if (tls !== undefined) {
    const names = /altnames: (DNS:.*?)\.? *(Resolution|$)/.exec(text)?.[1];
    const reason = names === undefined ? tls.reason : `its certificate is for ${names}`;
    return failure('TLS_FAILED', { target, reason, fix: tls.fix }, options);
  }
  const known = REASONS.find(([sign]) => sign.test(text))?.[1];
  return failure('UNREACHABLE', { target, reason: known ?? plain(text) }, options);
}

/** Without what grpc-js puts around a cause: the state of its resolver, and when it was. */
function plain(text: string): string {
  return text
    .replace(/\.?\s*Resolution note:.*$/s, '')
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)/, '')
    .trim();
}
