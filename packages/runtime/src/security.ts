import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { loadConfig } from './config.js';
import type { Logger } from './log.js';
import {
  type ClientTls,
  type Complain,
  ofOption,
  ofVariable,
  readCertificates,
  readClientTls,
  readServerTls,
  readText,
  type ServerTls,
  VARIABLE_NAMES,
} from './tls-files.js';
import { flagVariable, pemFileVariable, rootsVariable, secretVariable, textVariable } from './variables.js';

/**
 * TLS and tokens: from files, arguments and the environment, into plain values that a thread can be given, with the names
 * of the files beside them: those are read again when they change, each in its place (certificates.ts, access/).
 */

/** How a service shows who it is, and whom it lets in. Texts of certificates and keys are PEM. */
export interface ServerSecurity {
  readonly tls: ServerTls | null;
  /**
   * What every call has to carry; beside a file of tokens, what the parts of a fleet send one another. Null with
   * `tokensFile` null: nothing.
   */
  readonly token: string | null;
  /** Where `token` was read, to be read again. Null: it was given as such. */
  readonly tokenFile: string | null;
  /** Where it says who may call. Null: whoever has `token`. */
  readonly tokensFile: string | null;
  /** What specs may name, whoever gives them: folders and the beginnings of urls. Null: anything. */
  readonly roots: readonly string[] | null;
}

/** How a client verifies services, and shows who it is. */
export interface ClientSecurity {
  readonly tls: ClientTls | null;
  readonly token: string | null;
  /** Where `token` was read, to be read again. Null: it was given as such. */
  readonly tokenFile: string | null;
}

/** Neither. */
export const OPEN = {
  tls: null,
  token: null,
  tokenFile: null,
  tokensFile: null,
  roots: null,
} as const satisfies ServerSecurity & ClientSecurity;

/** What services and clients both have, so that one environment serves all parts of a job. */
const shared = {
  CROPSTREAM_TLS_CERT: pemFileVariable('a certificate')
    .optional()
    .describe(
      'Its own certificate, with those between it and its authority. A service that has one speaks TLS alone',
    ),
  CROPSTREAM_TLS_KEY: pemFileVariable('a private key').optional().describe("The certificate's key"),
  CROPSTREAM_TLS_CA: pemFileVariable('certificates')
    .optional()
    .describe(
      'The authorities by which services are verified, by trainers and by coordinators that dial workers. Unset: the well-known ones',
    ),
  CROPSTREAM_TOKEN: secretVariable()
    .optional()
    .describe('A service answers no call without this token; a client sends it'),
  CROPSTREAM_TOKEN_FILE: textVariable('the path of a file with a token')
    .optional()
    .describe('The same from a file, which is read again when it changes'),
};

/** The variables of a service. */
export const serverSecurityVariables = {
  ...shared,
  CROPSTREAM_TOKENS_FILE: textVariable('the path of a YAML file')
    .optional()
    .describe(
      "Who may call: owners and tokens with roles, read again when it changes. Beside it CROPSTREAM_TOKEN is the fleet's own, which coordinators and workers share",
    ),
  CROPSTREAM_ROOTS: rootsVariable()
    .optional()
    .describe(
      "What specs may name, whoever gives them: folders of services, and the beginnings of urls. Unset: anything, but with CROPSTREAM_TOKENS_FILE each owner's roots alone",
    ),
  CROPSTREAM_TLS_CLIENT_CA: pemFileVariable('certificates')
    .optional()
    .describe(
      'Only clients whose certificates these authorities signed may connect: trainers and coordinators',
    ),
  CROPSTREAM_TLS_NAME: textVariable("a name in the service's certificate")
    .optional()
    .describe(
      'A worker: the name that its certificate is verified by, wherever it runs. Unset: the first in the certificate',
    ),
};

const CLIENT_VARIABLES = z.object({
  ...shared,
  CROPSTREAM_TLS: flagVariable().optional(),
  CROPSTREAM_TLS_SERVER_NAME: textVariable("a name in the coordinator's certificate").optional(),
});

type ServerVariables = z.output<z.ZodObject<typeof serverSecurityVariables>>;
type Environment = Readonly<Record<string, string | undefined>>;

/** @throws CONFIG_INVALID naming the variable and what is wrong with the file it names */
export function serverSecurity(config: ServerVariables): ServerSecurity {
  const { CROPSTREAM_TLS_CERT: cert, CROPSTREAM_TLS_KEY: key, CROPSTREAM_TLS_CLIENT_CA: ca } = config;
  const told = {
    ...tokenOf(config),
    tokensFile: config.CROPSTREAM_TOKENS_FILE ?? null,
    roots: config.CROPSTREAM_ROOTS ?? null,
  };
  if (told.tokensFile !== null && told.token === null) {
    throw ofVariable('CROPSTREAM_TOKEN', 'not set', "the fleet's own token beside CROPSTREAM_TOKENS_FILE");
  }
  if (cert === undefined && key === undefined) {
    if (ca === undefined) return { tls: null, ...told };
    throw ofVariable('CROPSTREAM_TLS_CERT', 'not set', 'a certificate beside CROPSTREAM_TLS_CLIENT_CA');
  }
  if (cert === undefined) {
    throw ofVariable('CROPSTREAM_TLS_CERT', 'not set', 'the certificate of CROPSTREAM_TLS_KEY');
  }
  if (key === undefined) throw ofVariable('CROPSTREAM_TLS_KEY', 'not set', 'the key of CROPSTREAM_TLS_CERT');
  const name = config.CROPSTREAM_TLS_NAME ?? null;
  return { tls: readServerTls({ cert, key, clientCa: ca ?? null }, name), ...told };
}

/**
 * How a service with `server` calls others of its fleet. Without CROPSTREAM_TLS_CA it trusts its own certificate beside
 * the well-known authorities: in one process, or where all parts share one certificate, nothing more needs to be said.
 * @throws CONFIG_INVALID
 */
export function peerSecurity(server: ServerSecurity, config: ServerVariables): ClientSecurity {
  const { tls, token, tokenFile } = server;
  if (tls === null) return { tls: null, token, tokenFile };
  const { cert, key } = tls.files;
  const files = { ca: config.CROPSTREAM_TLS_CA ?? null, cert, key, trustsOwn: true };
  return { tls: readClientTls(files, null, VARIABLE_NAMES, ofVariable), token, tokenFile };
}

/**
 * Both for a process that is all parts of its fleet, so that it can make up the token that they send one another.
 * @throws CONFIG_INVALID
 */
export function loadSecurity(environment: Environment): { security: ServerSecurity; peers: ClientSecurity } {
  const config = loadConfig(z.object(serverSecurityVariables), environment);
  if (config.CROPSTREAM_TOKENS_FILE !== undefined && config.CROPSTREAM_TOKEN_FILE === undefined) {
    config.CROPSTREAM_TOKEN ??= randomBytes(32).toString('base64url');
  }
  const security = serverSecurity(config);
  return { security, peers: peerSecurity(security, config) };
}

/** TLS of a client, as its user writes it. Paths are of PEM files. */
export interface TlsOptions {
  /** The authorities that signed the services' certificates. @default the well-known ones */
  readonly ca?: string | undefined;
  /** The client's own certificate and its key, where services want one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name in the coordinator's certificate, where it is not that of the target: behind a tunnel, say. */
  readonly serverName?: string | undefined;
}

/**
 * What a client was told, and what its environment says of the rest: CROPSTREAM_TLS (true or false; by default true where
 * another of these is set), CROPSTREAM_TLS_CA, _CERT, _KEY and _SERVER_NAME, CROPSTREAM_TOKEN or CROPSTREAM_TOKEN_FILE.
 * Options of TLS replace the environment's as a whole.
 * @throws SPEC_INVALID naming the option, CONFIG_INVALID naming the variable
 */
export function clientSecurity(
  options: { readonly tls?: boolean | TlsOptions | undefined; readonly token?: string | undefined },
  environment: Environment,
): ClientSecurity {
  const config = loadConfig(CLIENT_VARIABLES, environment);
  const told =
    options.token === undefined
      ? tokenOf(config)
      : { token: checkToken('options.token', options.token, ofOption), tokenFile: null };
  const { tls } = options;
  if (typeof tls === 'object') return { tls: clientTls(tls, OPTION_NAMES, ofOption), ...told };
  const files: TlsOptions = {
    ca: config.CROPSTREAM_TLS_CA,
    cert: config.CROPSTREAM_TLS_CERT,
    key: config.CROPSTREAM_TLS_KEY,
    serverName: config.CROPSTREAM_TLS_SERVER_NAME,
  };
  const wanted = tls ?? config.CROPSTREAM_TLS ?? Object.values(files).some((value) => value !== undefined);
  return { tls: wanted ? clientTls(files, VARIABLE_NAMES, ofVariable) : null, ...told };
}

const OPTION_NAMES = { ca: 'options.tls.ca', cert: 'options.tls.cert', key: 'options.tls.key' };

function clientTls(
  { ca, cert, key, serverName }: TlsOptions,
  names: typeof OPTION_NAMES,
  complain: Complain,
): ClientTls {
  if (key !== undefined && cert === undefined) {
    throw complain(names.cert, 'not set', `the certificate of ${names.key}`);
  }
  if (cert !== undefined && key === undefined) {
    throw complain(names.key, 'not set', `the key of ${names.cert}`);
  }
  const files = { ca: ca ?? null, cert: cert ?? null, key: key ?? null, trustsOwn: false };
  return readClientTls(files, serverName ?? null, names, complain);
}

/**
 * The certificates in the PEM file that a variable names.
 * @throws CONFIG_INVALID
 */
export const readPem = (variable: string, path: string) => readCertificates(variable, path, ofVariable);

function tokenOf(config: {
  readonly CROPSTREAM_TOKEN?: string | undefined;
  readonly CROPSTREAM_TOKEN_FILE?: string | undefined;
}): { readonly token: string | null; readonly tokenFile: string | null } {
  const { CROPSTREAM_TOKEN: token, CROPSTREAM_TOKEN_FILE: file } = config;
  if (token !== undefined)
    return { token: checkToken('CROPSTREAM_TOKEN', token, ofVariable), tokenFile: null };
  if (file === undefined) return { token: null, tokenFile: null };
  const text = readText('CROPSTREAM_TOKEN_FILE', file, 'a file with a token', ofVariable);
  return { token: tokenIn(text), tokenFile: file };
}

/**
 * The token that the text of CROPSTREAM_TOKEN_FILE holds.
 * @throws CONFIG_INVALID
 */
export function tokenIn(text: string): string {
  return checkToken('CROPSTREAM_TOKEN_FILE', text.trim(), ofVariable);
}

/** A token travels in a header of HTTP. */
function checkToken(field: string, token: string, complain: Complain): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw complain(
    field,
    'not such a token (not shown)',
    'a token of visible ASCII characters, without blanks',
  );
}

/** Says loudly what is open to whom. */
export function warnIfExposed(host: string, { tls, token }: ServerSecurity, log: Pick<Logger, 'warn'>): void {
  const isOpen = token === null && !tls?.clientCa;
  const may =
    'may draw batches, and open, pause and close runs on any folder that this process can read. CROPSTREAM_TOKEN_FILE sets a token, CROPSTREAM_TOKENS_FILE who may do what';
  if (isLoopback(host)) {
    if (isOpen) log.warn({ host }, `nothing is secured: whoever is on this machine ${may}`);
  } else if (isOpen) {
    log.warn(
      { host },
      `nothing is secured, and this listens beyond this machine: ANYONE who reaches the ports ${may}`,
    );
  } else if (tls === null) {
    log.warn(
      { host },
      'listening beyond this machine without TLS: whoever sees the traffic learns the token. CROPSTREAM_TLS_CERT and CROPSTREAM_TLS_KEY turn it on',
    );
  }
}

/** Whether a client would send its token where others on the way can read it. */
export function tokenInClear(target: string, { tls, token }: ClientSecurity): boolean {
  if (token === null || tls !== null) return false;
  const addresses = target.replace(/^(dns|ipv4|ipv6):(\/\/[^/]*\/)?/, '').split(',');
  return !addresses.every((address) => isLoopback(address.trim().replace(/:\d+$/, '')));
}

/** Whether an address never leaves this machine. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || host.startsWith('127.');
}
