import { Redis } from 'ioredis';

/** What a fleet's processes send while they work; every other command runs inside a script of one of these. */
const SENT = new Set(['evalsha', 'eval', 'publish', 'bzpopmin']);

/** Looks at what a Redis uses. */
export class RedisUsage {
  #client;

  constructor(url) {
    this.#client = new Redis(url);
  }

  /** What it has done since it started: milliseconds of CPU, bytes, and calls and microseconds of each command. */
  async look() {
    const cpu = await this.#info('cpu');
    const commands = new Map();
    for (const [name, value] of await this.#info('commandstats')) {
      const [, calls, usec] = /calls=(\d+),usec=(\d+)/.exec(value);
      commands.set(name.replace('cmdstat_', ''), { calls: Number(calls), usec: Number(usec) });
    }
    const seconds = Number(cpu.get('used_cpu_user')) + Number(cpu.get('used_cpu_sys'));
    const stats = await this.#info('stats');
    const bytes = Number(stats.get('total_net_input_bytes')) + Number(stats.get('total_net_output_bytes'));
    return { cpuMs: 1000 * seconds, bytes, commands };
  }

  async facts() {
    const server = await this.#info('server');
    const clients = await this.#info('clients');
    const memory = await this.#info('memory');
    return {
      version: server.get('redis_version'),
      connections: Number(clients.get('connected_clients')) - 1,
      memory_mib: Math.round(Number(memory.get('used_memory')) / 2 ** 20),
    };
  }

  close() {
    this.#client.disconnect();
  }

  async #info(section) {
    const text = await this.#client.info(section);
    return new Map([...text.matchAll(/^(\w[^:\r\n]*):([^\r\n]*)/gm)].map(([, name, value]) => [name, value]));
  }
}

/** Between two looks, a chunk: commands that were sent, and every command, those inside scripts too. */
export function commandsPerChunk(before, after, chunks) {
  const all = [...after.commands]
    .map(([command, { calls, usec }]) => {
      const known = before.commands.get(command) ?? { calls: 0, usec: 0 };
      return { command, calls: (calls - known.calls) / chunks, usec: (usec - known.usec) / chunks };
    })
    .filter(({ calls }) => calls > 0)
    .sort((a, b) => b.calls - a.calls);
  const sent = all.filter(({ command }) => SENT.has(command)).reduce((sum, { calls }) => sum + calls, 0);
  return { sent, all };
}
