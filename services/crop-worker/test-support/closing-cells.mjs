// Starts two cells, one on a thread that was warm, and closes them, and lets go of another: the process is then to end by itself.
import { MemoryBroker, MemoryStore } from '@cropstream/broker';
import { startCells } from '@cropstream/crop-worker';
import { letGo, warmThread } from '@cropstream/crop-worker/warm';
import { systemClock as clock, OPEN as security } from '@cropstream/runtime';

const [store, broker] = [new MemoryStore({ clock }), new MemoryBroker({ clock })];
const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const where = { fingerprint: async () => 'fp', host: '127.0.0.1', security, port: 0, threads: 2, cells: 2 };
letGo(warmThread(0));
const warm = warmThread(0);
const cells = await startCells({ store, broker, log, emit: () => () => {}, warm, ...where });
await cells.close(1_000);
process.on('exit', () => console.log('ended'));
