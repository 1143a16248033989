import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates } from 'node:tls';
import { type CropstreamError, failure } from '@cropstream/errors';

/** Certificates and keys in PEM files: read and looked at, at the start and whenever they are replaced. */

/** A service's, its texts PEM. */
export interface ServerTls {
  /** With the certificates between it and its authority. */
  readonly cert: string;
  readonly key: string;
  /** Who must have signed the certificates that clients have to show. Null: they show none. */
  readonly clientCa: string | null;
  /** The name to verify `cert` by, wherever it is met: the same for the service's life. Empty: the address. */
  readonly name: string;
  /** Where the others were read. */
  readonly files: { readonly cert: string; readonly key: string; readonly clientCa: string | null };
}

/** A client's, its texts PEM. */
export interface ClientTls {
  /** Who must have signed the services' certificates, or these themselves. Null: the well-known authorities. */
  readonly ca: readonly string[] | null;
  /** The client's own, for services that want one. */
  readonly identity: { readonly cert: string; readonly key: string } | null;
  /** The name to verify the coordinator's certificate by. Null: its address. */
  readonly serverName: string | null;
  readonly files: ClientTlsFiles;
}

/** Where a client's were read. */
export interface ClientTlsFiles {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** Whether it trusts its own certificate beside the well-known authorities where no others are named. */
  readonly trustsOwn: boolean;
}

/** Makes the error of a value that cannot be used. */
export type Complain = (field: string, value: string, allowed: string) => CropstreamError;

export const ofVariable: Complain = (variable, value, allowed) =>
  failure('CONFIG_INVALID', { variable, value, allowed, default: 'none' });
export const ofOption: Complain = (field, value, allowed) =>
  failure('SPEC_INVALID', { field, value, allowed });

/** What names a client's files, for errors. */
export const VARIABLE_NAMES = {
  ca: 'CROPSTREAM_TLS_CA',
  cert: 'CROPSTREAM_TLS_CERT',
  key: 'CROPSTREAM_TLS_KEY',
};

/**
 * @param name null: the first in the certificate
 * @throws CONFIG_INVALID
 */
export function readServerTls(files: ServerTls['files'], name: string | null): ServerTls {
  const identity = readIdentity(files.cert, files.key, VARIABLE_NAMES, ofVariable);
  const clientCa =
    files.clientCa === null ? null : readCertificates('CROPSTREAM_TLS_CLIENT_CA', files.clientCa, ofVariable);
  if (name !== null && name !== '' && !new X509Certificate(identity.cert).checkHost(name)) {
    throw ofVariable('CROPSTREAM_TLS_NAME', `"${name}"`, `a name in the certificate ${files.cert}`);
  }
  return { ...identity, clientCa, name: name ?? firstName(identity.cert), files };
}

/** @throws what `complain` makes */
export function readClientTls(
  files: ClientTlsFiles,
  serverName: string | null,
  names: typeof VARIABLE_NAMES,
  complain: Complain,
): ClientTls {
  const { cert, key, trustsOwn } = files;
  const identity = cert === null || key === null ? null : readIdentity(cert, key, names, complain);
  let ca: readonly string[] | null = null;
  if (files.ca !== null) ca = [readCertificates(names.ca, files.ca, complain)];
  else if (trustsOwn && identity !== null) ca = [...rootCertificates, identity.cert];
  return { ca, identity, serverName, files };
}

function readIdentity(
  certFile: string,
  keyFile: string,
  names: typeof VARIABLE_NAMES,
  complain: Complain,
): { cert: string; key: string } {
  const cert = readCertificates(names.cert, certFile, complain);
  const key = readText(names.key, keyFile, 'a PEM file with a private key', complain);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw complain(
      names.key,
      `"${keyFile}" (${reasonOf(error)})`,
      `the PEM file with the key of ${certFile}`,
    );
  }
  return { cert, key };
}

/** The text of a PEM file of certificates, its first one looked at. */
export function readCertificates(field: string, path: string, complain: Complain): string {
  const allowed = 'a PEM file with certificates';
  const text = readText(field, path, allowed, complain);
  try {
    new X509Certificate(text);
  } catch (error) {
    throw complain(field, `"${path}" (${reasonOf(error)})`, allowed);
  }
  return text;
}

export function readText(field: string, path: string, allowed: string, complain: Complain): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw complain(field, `"${path}" (${reasonOf(error)})`, allowed);
  }
}

/** The first DNS name of a certificate that is one name. */
function firstName(cert: string): string {
  const names = new X509Certificate(cert).subjectAltName ?? '';
  return /\bDNS:([^,*\s]+)/.exec(names)?.[1] ?? '';
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
