import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { credentials, Metadata } from '@grpc/grpc-js';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeCertificates } from '../../../scripts/certificates.mjs';
import { GrpcAccess } from './grpc-access.js';
import { GrpcServer } from './grpc-server.js';
import { checkHealth } from './health-client.js';
import { startHttpServer } from './http/server.js';
import { clientSecurity, loadSecurity, OPEN_ACCESS, ServerCertificates } from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'cropstream-certificates-'));
const file = (name: string) => join(folder, name);
beforeAll(() => {
  makeCertificates(folder);
  // Of the same names, by another authority.
  makeCertificates(file('next'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Puts the certificates of `by` where services and clients look for them. */
function place(by: string): void {
  for (const name of ['service.pem', 'service.key', 'ca.pem', 'client.pem', 'client.key']) {
    copyFileSync(file(`${by}/${name}`), file(`used-${name}`));
  }
}

/** Files are looked at once a second. */
const WITHIN = { timeout: 10_000 };

const log = { info: vi.fn(), error: vi.fn() };

function certificates(): ServerCertificates {
  const { security } = loadSecurity({
    CROPSTREAM_TLS_CERT: file('used-service.pem'),
    CROPSTREAM_TLS_KEY: file('used-service.key'),
    CROPSTREAM_TLS_CLIENT_CA: file('used-ca.pem'),
  });
  if (security.tls === null) throw new Error('no TLS');
  return new ServerCertificates(security.tls, log);
}

function client() {
  return new GrpcAccess(
    clientSecurity(
      { tls: { ca: file('used-ca.pem'), cert: file('used-client.pem'), key: file('used-client.key') } },
      {},
    ),
  );
}

async function serveGrpc(of: ServerCertificates): Promise<GrpcServer> {
  const server = await GrpcServer.listen({
    ...{ host: '127.0.0.1', port: 0, portFlag: '--port', channel: {} },
    ...{ certificates: of, access: OPEN_ACCESS, services: {}, reflection: async () => ({}) },
    toStatus: ({ code, message }) => ({ code: 7, details: `${code}: ${message}`, metadata: new Metadata() }),
  });
  closers.push(() => server.stop(0));
  return server;
}

/** The fingerprint of the certificate that a service shows. */
async function shownAt(port: number): Promise<string> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

const fingerprintOf = (name: string) => new X509Certificate(readFileSync(file(name))).fingerprint256;
const health = (port: number, access: GrpcAccess) =>
  checkHealth({ address: `127.0.0.1:${port}`, service: '', access, tlsName: 'localhost', timeoutMs: 2_000 });

describe('certificates that are replaced', () => {
  it('are those of the next handshakes, of gRPC and HTTP, of services and clients', async () => {
    place('.');
    const of = certificates();
    const grpc = await serveGrpc(of);
    const http = await startHttpServer({
      ...{ host: '127.0.0.1', port: 0, portFlag: '--http-port', registry: new Registry(), log },
      ...{ certificates: of, access: OPEN_ACCESS, ready: async () => true },
    });
    closers.push(() => http.close());
    const access = client();
    expect(await health(grpc.port, access)).toBe('SERVING');
    expect(await shownAt(http.port)).toBe(fingerprintOf('service.pem'));

    place('next');
    await expect.poll(() => shownAt(grpc.port), WITHIN).toBe(fingerprintOf('next/service.pem'));
    expect(await shownAt(http.port)).toBe(fingerprintOf('next/service.pem'));
    // The client trusts the new authority and shows its new certificate, both asked for here.
    await expect.poll(() => health(grpc.port, access).catch(String), WITHIN).toBe('SERVING');
  });

  it('do not end what is open', async () => {
    place('.');
    const grpc = await serveGrpc(certificates());
    const ca = readFileSync(file('ca.pem'));
    const identity = [readFileSync(file('client.key')), readFileSync(file('client.pem'))] as const;
    const { makeGenericClientConstructor } = await import('@grpc/grpc-js');
    const { service } = await import('grpc-health-check');
    const Health = makeGenericClientConstructor(service, 'grpc.health.v1.Health');
    const open = new Health(`localhost:${grpc.port}`, credentials.createSsl(ca, ...identity));
    closers.push(() => open.close());
    const watch = open.watch?.({ service: '' }, new Metadata());
    watch.on('error', () => {});
    await once(watch, 'data');
    place('next');
    await expect.poll(() => shownAt(grpc.port), WITHIN).toBe(fingerprintOf('next/service.pem'));
    grpc.notServing();
    expect(await once(watch, 'data')).toEqual([{ status: 'NOT_SERVING' }]);
    watch.cancel();
  });

  it('that cannot be used leave those before, and say so', async () => {
    place('.');
    const of = certificates();
    const registry = new Registry();
    of.observe(registry);
    const grpc = await serveGrpc(of);
    const told = async (name: string) =>
      Number(new RegExp(`^cropstream_tls_${name} (\\S+)$`, 'm').exec(await registry.metrics())?.[1]);
    const failures = () => told('reload_failures_total');
    const until = Date.parse(new X509Certificate(readFileSync(file('service.pem'))).validTo) / 1000;
    expect(await told('certificate_expiry_timestamp_seconds\\{certificate="service"\\}')).toBe(until);
    expect(await failures()).toBe(0);

    log.error.mockClear();
    writeFileSync(file('used-service.pem'), 'no certificate');
    await expect.poll(failures, WITHIN).toBe(1);
    // Half of a new pair.
    copyFileSync(file('next/service.pem'), file('used-service.pem'));
    await expect.poll(failures, WITHIN).toBe(2);
    // For another name than workers are known by.
    copyFileSync(file('client.pem'), file('used-service.pem'));
    copyFileSync(file('client.key'), file('used-service.key'));
    await expect.poll(failures, WITHIN).toBeGreaterThan(2);
    const before = await failures();
    unlinkSync(file('used-service.pem'));
    await expect.poll(failures, WITHIN).toBeGreaterThan(before);
    expect(log.error).toHaveBeenCalledWith(
      expect.objectContaining({ cert: file('used-service.pem') }),
      expect.stringContaining('those before go on'),
    );
    expect(await shownAt(grpc.port)).toBe(fingerprintOf('service.pem'));

    // By another link, as Kubernetes does.
    symlinkSync(file('next/service.pem'), file('used-service.pem'));
    copyFileSync(file('next/service.key'), file('used-service.key'));
    await expect.poll(() => shownAt(grpc.port), WITHIN).toBe(fingerprintOf('next/service.pem'));
    expect(await told('reloads_total')).toBeGreaterThan(0);
    unlinkSync(file('used-service.pem'));
  });
});
