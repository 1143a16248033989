// Processes that benchmarks start: services that say on stdout where they are, and commands that print one JSON object.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const fromRoot = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

function start(args, options, command = process.execPath) {
  const child = spawn(command, args, options);
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Starts Node on `args`; once the first line on stdout came, which is JSON. */
export async function startService(args, env = {}) {
  const child = start(args, { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ...env } });
  const { value: line } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  if (line === undefined) throw new Error(`${args.join(' ')} ended at once`);
  child.stdout.resume();
  return { ready: JSON.parse(line), pid: child.pid, stop: () => stop(child) };
}

/** Starts a service whose log on stderr, a line of JSON each, says `message` once it is up; gives that line. */
export async function startLogged(args, env, message) {
  const stdio = ['ignore', 'ignore', 'pipe'];
  const child = start(args, { stdio, env: { ...process.env, CROPSTREAM_LOG_LEVEL: 'info', ...env } });
  const ready = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}`)));
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (!line.startsWith('{')) return;
      const entry = JSON.parse(line);
      if (entry.msg === message) resolve(entry);
    });
  });
  return { ready, pid: child.pid, stop: () => stop(child) };
}

/** Runs Node, or another command, on `args` to its end; the JSON object that it printed. */
export async function answerOf(args, env = {}, command = process.execPath) {
  const stdio = ['ignore', 'pipe', 'inherit'];
  const child = start(args, { stdio, env: { ...process.env, ...env } }, command);
  const chunks = [];
  for await (const chunk of child.stdout) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}
