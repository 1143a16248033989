// Finds or starts the Redis that tests run against: REDIS_URL, a container where a Docker engine answers, or a
// redis-server process, which Debian's root can have from apt.
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, connect as openSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall } from './apt.mjs';

/** What docker-compose.yml runs. */
const IMAGE = 'redis:7-alpine';
const PERSISTENT = ['--appendonly', 'yes', '--appendfsync', 'everysec'];

/** Redis in a container or a process, to be stopped after use; or what is missing. */
export async function findRedis() {
  const given = process.env.REDIS_URL;
  if (given) {
    if (await answers(given)) return { url: given, stop: async () => undefined };
    return { missing: `nothing answers at REDIS_URL=${given.replace(/\/\/.*@/, '//')}` };
  }
  if (await dockerAnswers()) {
    try {
      return await startContainer();
    } catch (error) {
      console.error(`No Redis container (${error.message}); trying redis-server`);
    }
  }
  const found = findRedisServer();
  return 'missing' in found ? found : startRedisServer();
}

/** The redis-server on the PATH, installed first where that can be done. */
export function findRedisServer() {
  const works = () => spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
  if (works() || (aptInstall('redis-server', ['redis-server']) && works())) return { path: 'redis-server' };
  return { missing: 'install redis-server 6.2 or newer, start a Docker engine, or set REDIS_URL' };
}

/**
 * A redis-server of one's own on a free port of the loopback, with AOF in a temporary folder.
 *
 * @param {{ args?: string[], sentinel?: string[] }} [options] further arguments; lines that make it a Sentinel
 */
export async function startRedisServer({ args = [], sentinel } = {}) {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const folder = mkdtempSync(join(tmpdir(), 'cropstream-redis-'));
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  let child = null;

  async function start() {
    // A Sentinel keeps what it learns in the file that it was started with.
    const file = join(folder, 'sentinel.conf');
    if (sentinel) writeFileSync(file, `${sentinel.join('\n')}\n`);
    const mode = sentinel ? [file, '--sentinel'] : [];
    child = spawn('redis-server', [...mode, ...settings, ...PERSISTENT, ...args], { stdio: 'ignore' });
    let ended = false;
    child.once('exit', () => {
      ended = true;
    });
    child.once('error', () => {
      ended = true;
    });
    while (!(await answers(url))) {
      if (ended) throw new Error(`redis-server ended at its start on port ${port}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Resolves when the process is gone. */
  async function kill(signal = 'SIGKILL') {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  const killAtExit = () => child?.kill('SIGKILL');
  process.once('exit', killAtExit);
  await start();
  return {
    url,
    folder,
    get pid() {
      return child.pid;
    },
    start,
    kill,
    /** SIGSTOP and SIGCONT, say. */
    signal: (signal) => child.kill(signal),
    async written() {
      while (!/aof_buffer_length:0\b/.test(await ask(url, 'INFO persistence'))) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async stop() {
      process.off('exit', killAtExit);
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Nodes of one cluster, without replicas; resolves when each of them serves its share of the slots. */
export async function startRedisCluster(size) {
  const nodes = [];
  const busPorts = [];
  for (let i = 0; i < size; i++) {
    // The bus' own default is the port and 10,000, which may be no port.
    busPorts.push(await freePort());
    const args = ['--cluster-enabled', 'yes', '--cluster-port', String(busPorts[i])];
    nodes.push(await startRedisServer({ args }));
  }
  const slots = 16_384;
  for (const [i, { url }] of nodes.entries()) {
    const [first, end] = [i, i + 1].map((at) => Math.ceil((at * slots) / size));
    await ask(url, `CLUSTER ADDSLOTSRANGE ${first} ${end - 1}`);
    await ask(url, `CLUSTER SET-CONFIG-EPOCH ${i + 1}`);
  }
  for (let i = 1; i < size; i++) {
    await ask(nodes[0].url, `CLUSTER MEET 127.0.0.1 ${new URL(nodes[i].url).port} ${busPorts[i]}`);
  }
  const isWhole = (info) => info.includes('cluster_state:ok') && info.includes(`cluster_size:${size}\r`);
  for (const { url } of nodes) {
    while (!isWhole(await ask(url, 'CLUSTER INFO'))) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return nodes;
}

/**
 * A master `main`, a replica, and three Sentinels that watch them, all known by the name localhost, speaking TLS with one
 * another; resolves when each Sentinel knows all of it.
 *
 * @param {{ password: string, tls: { ca: string, cert: string, key: string } }} options paths of PEM files
 */
export async function startRedisSentinels({ password, tls }) {
  const started = [];
  /** Beside the port without TLS, which only this script uses. */
  const startTls = async (settings, options = {}) => {
    const tlsPort = await freePort();
    const secure = { 'tls-port': tlsPort, 'tls-ca-cert-file': tls.ca, 'tls-cert-file': tls.cert };
    const both = { 'tls-key-file': tls.key, 'tls-auth-clients': 'no', 'tls-replication': 'yes' };
    const all = { ...secure, ...both, requirepass: password, ...settings };
    const server = await startRedisServer({
      args: Object.entries(all).flatMap(([k, v]) => [`--${k}`, `${v}`]),
      ...options,
    });
    started.push(server);
    return { server, tlsPort };
  };
  const node = { masterauth: password, 'replica-announce-ip': 'localhost' };
  const { server: master, tlsPort } = await startTls(node);
  const { server: replica } = await startTls({ ...node, replicaof: `localhost ${tlsPort}` });
  const watch = [
    'sentinel resolve-hostnames yes',
    'sentinel announce-hostnames yes',
    'sentinel announce-ip localhost',
    `sentinel monitor main localhost ${tlsPort} 2`,
    `sentinel auth-pass main ${password}`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 3000',
  ];
  const sentinels = [];
  for (let i = 0; i < 3; i++) sentinels.push(await startTls({}, { sentinel: watch }));
  const knowsAll = (info) => info.includes('slaves=1,sentinels=3');
  for (const { server } of sentinels) {
    while (!knowsAll(await ask(server.url, 'INFO sentinel', password))) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    master,
    replica,
    ports: sentinels.map((each) => each.tlsPort),
    stop: () => Promise.all(started.map((server) => server.stop())),
  };
}

async function startContainer() {
  process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
  const { RedisContainer } = await import('@testcontainers/redis');
  const container = await new RedisContainer(IMAGE)
    .withCommand(['redis-server', '--save', '', ...PERSISTENT])
    .start();
  return { url: container.getConnectionUrl(), stop: () => container.stop() };
}

function dockerAnswers() {
  const { DOCKER_HOST: host } = process.env;
  const at = host?.startsWith('tcp://')
    ? { host: new URL(host).hostname, port: new URL(host).port || 2375 }
    : { socketPath: host?.replace('unix://', '') ?? '/var/run/docker.sock' };
  return new Promise((resolve) => {
    const ping = request({ ...at, path: '/_ping', timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on('timeout', () => ping.destroy());
    ping.on('error', () => resolve(false));
    ping.end();
  });
}

/** Whether a Redis there has started; one that wants a password has. */
async function answers(url) {
  // A Redis behind TLS is not asked here: its clients say what is wrong.
  if (new URL(url).protocol === 'rediss:') return true;
  return /^(\+PONG|-NOAUTH)/.test(await ask(url, 'PING').catch(() => ''));
}

/** What Redis answers to a command of one line, as it comes over the wire. For short answers. */
export function ask(url, line, password = '') {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = openSocket(Number(port || 6379), hostname);
    socket.setTimeout(1_000, () => socket.destroy(new Error('no answer')));
    const send = (text) => socket.write(`${text}\r\n`);
    const answer = (data) => {
      resolve(data.toString());
      socket.destroy();
    };
    socket.once('connect', () => send(password ? `AUTH ${password}` : line));
    socket.once('data', (data) => {
      if (!password) return answer(data);
      socket.once('data', answer);
      send(line);
    });
    socket.once('error', reject);
  });
}

/**
 * A free port below those that systems give to outgoing connections: while a killed Redis is away, none of them, not
 * even one of a client that tries to reach it, may take its port.
 */
async function freePort() {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(10_000, 32_000);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port on 127.0.0.1 between 10000 and 31999');
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
