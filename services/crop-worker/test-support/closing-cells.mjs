// Starts two cells and closes them: the process is then to end by itself.
import { MemoryBroker, MemoryStore } from '@cropstream/broker';
import { startCells } from '@cropstream/crop-worker';
import { systemClock as clock, OPEN as security } from '@cropstream/runtime';

const [store, broker] = [new MemoryStore({ clock }), new MemoryBroker({ clock })];
const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const where = { fingerprint: async () => 'fp', host: '127.0.0.1', security, port: 0, threads: 2, cells: 2 };
const cells = await startCells({ store, broker, log, emit: () => () => {}, ...where });
await cells.close(1_000);
process.on('exit', () => console.log('ended'));
