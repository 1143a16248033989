// Certificates for tests, made by openssl: node certificates.mjs FOLDER. An authority with a service's and a client's
// certificate and a client's that has ended, and a foreign authority with the same.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The names of the service's certificate: of a coordinator met on the loopback, and of every worker. */
const SERVICE_NAMES = 'DNS:cropstream-worker,DNS:localhost';

/**
 * @param {string} folder it gets ca.pem, service.pem, service.key, client.pem, client.key, expired.pem, expired.key, and the
 *   same in foreign/
 */
export function makeCertificates(folder) {
  makeAuthority(folder);
  makeAuthority(join(folder, 'foreign'));
}

function makeAuthority(folder) {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=test CA',
  );
  for (const [name, names, days] of [
    ['service', SERVICE_NAMES, '2'],
    ['client', 'DNS:trainer', '2'],
    ['expired', 'DNS:trainer', '-1'],
  ]) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(join(folder, 'extensions'), `subjectAltName=${names}\n`);
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'extensions'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-days', days, '-out', `${name}.pem`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) makeCertificates(process.argv[2]);
