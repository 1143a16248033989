import type { MessagePort } from 'node:worker_threads';
import { openPeer } from '@cropstream/runtime/threads';
import { sharedBytes } from '../shared-bytes.js';
import type { Store } from '../store.js';

type Calls = Omit<Store, 'onWake' | 'close'>;

/** Each method once: the type makes sure that none is forgotten. */
const CALLS = Object.keys({
  openRun: true,
  runByName: true,
  runByKey: true,
  runs: true,
  closeRun: true,
  wasClosed: true,
  setRunState: true,
  putManifest: true,
  manifest: true,
  attach: true,
  renew: true,
  detach: true,
  attachments: true,
  cursor: true,
  claim: true,
  hedge: true,
  begin: true,
  publish: true,
  retract: true,
  release: true,
  failChunk: true,
  chunkStates: true,
  outstanding: true,
  reportSubstitutions: true,
  reports: true,
  beat: true,
  workers: true,
  leave: true,
  judge: true,
  verdict: true,
  wake: true,
} satisfies Record<keyof Calls, true>) as (keyof Calls)[];

/** What the connected side sends to hear wakes, and hears. */
interface Watching {
  watch(topic: string): void;
  unwatch(topic: string): void;
}
interface Hearing {
  woken(topic: string): void;
}

/** Serves `store` to the thread at the other end of `port`, until either end closes. */
export function exposeStore(port: MessagePort, store: Store): void {
  const watched = new Map<string, () => void>();
  const watching: Watching = {
    watch(topic) {
      if (!watched.has(topic))
        watched.set(
          topic,
          store.onWake(topic, () => peer.send('woken', topic)),
        );
    },
    unwatch(topic) {
      watched.get(topic)?.();
      watched.delete(topic);
    },
  };
  const methods = CALLS.map((name) => {
    const method = store[name] as (...args: unknown[]) => Promise<unknown>;
    return [name, method.bind(store)] as const;
  });
  const onClose = () => {
    for (const stop of watched.values()) stop();
  };
  const peer = openPeer<Hearing>(port, { ...Object.fromEntries(methods), ...watching }, { onClose });
}

/** The store at the other end of `port`. Closing it closes the port, not that store. */
export function connectStore(port: MessagePort): Store {
  const listeners = new Map<string, Set<() => void>>();
  const hearing: Hearing = {
    woken(topic) {
      for (const listener of [...(listeners.get(topic) ?? [])]) listener();
    },
  };
  const peer = openPeer<Calls & Watching>(port, hearing);
  const calls = peer.calls(CALLS);
  return {
    ...calls,
    putManifest: (digest, bytes) => calls.putManifest(digest, sharedBytes(bytes)),
    onWake(topic, listener) {
      let own = listeners.get(topic);
      if (own === undefined) {
        own = new Set();
        listeners.set(topic, own);
        peer.send('watch', topic);
      }
      const entry = () => listener();
      own.add(entry);
      return () => {
        if (!listeners.get(topic)?.delete(entry) || listeners.get(topic)?.size !== 0) return;
        listeners.delete(topic);
        peer.send('unwatch', topic);
      };
    },
    close: () => peer.close(),
  };
}
