import type { ChildProcess, Serializable } from 'node:child_process';
import { CropstreamError, failure, toFailure, type WireError } from '@cropstream/errors';
import { createBirpc } from 'birpc';

/** A birpc message: a call has arguments, an answer a result or, of a call that threw, an error. */
interface Message {
  readonly a?: readonly unknown[];
  readonly r?: unknown;
  readonly e?: unknown;
}

type ArgumentsOf<Method> = Method extends (...args: infer Args) => unknown ? Args : never;

/** What calls travel over: a MessagePort, or what `processPort` makes. */
export interface CallPort {
  postMessage(message: unknown, moved?: ArrayBuffer[]): void;
  on(event: 'message', listener: (message: Message) => void): unknown;
  off(event: 'message', listener: (message: Message) => void): unknown;
  once(event: 'close', listener: () => void): unknown;
  close(): void;
}

/** One end of the channel between a process and its child. Nothing is moved over it: memory is copied. */
export function processPort(end: ChildProcess | NodeJS.Process): CallPort {
  return {
    postMessage(message) {
      // An error of the channel is followed by its end, which fails what is under way.
      if (end.connected) end.send?.(message as Serializable, undefined, {}, () => undefined);
    },
    on: (event, listener) => (end as ChildProcess).on(event, listener as (message: Serializable) => void),
    off: (event, listener) => end.off(event, listener),
    once: (_, listener) => (end as ChildProcess).once('disconnect', listener),
    close: () => {
      if (end.connected) end.disconnect();
    },
  };
}

/** The other end of a CallPort, seen as an object with methods. */
export interface Peer<Remote> {
  /** The named methods, each a call. Those under way when the port closes, and later ones, fail with SHUTTING_DOWN. */
  calls<Name extends keyof Remote & string>(names: readonly Name[]): Pick<Remote, Name>;
  /** Calls a method and waits for nothing; lost where the port is closed. */
  send<Name extends keyof Remote & string>(name: Name, ...args: ArgumentsOf<Remote[Name]>): void;
  /** Closes the port; resolves once it is closed. */
  close(): Promise<void>;
}

export interface PeerOptions {
  /** Called once, when either end closes or its thread dies. */
  readonly onClose?: () => void;
  /** Of an argument or a result, the memory that is moved to the other thread instead of copied. @default none */
  readonly movable?: (value: unknown) => ArrayBuffer[];
}

/**
 * Two-way calls over a MessagePort: errors cross as errors of the table, and a call waits for as long as the other side
 * takes.
 */
export function openPeer<Remote extends object>(
  port: CallPort,
  local: object,
  { onClose, movable }: PeerOptions = {},
): Peer<Remote> {
  const rpc = createBirpc<Record<string, (...args: unknown[]) => unknown>, object, false>(local, {
    proxify: false,
    bind: 'functions',
    // Without a limit: birpc's own would end a long `take` with an error.
    timeout: -1,
    post: (message: Message) =>
      port.postMessage(message, movable ? [...(message.a ?? []), message.r].flatMap(movable) : []),
    on: (receive) => port.on('message', receive),
    off: (receive) => port.off('message', receive),
    serialize: (message: Message) =>
      message.e === undefined ? message : { ...message, e: toFailure(message.e).toWire() },
    deserialize: (message: Message) =>
      message.e === undefined ? message : { ...message, e: CropstreamError.fromWire(message.e as WireError) },
  });
  const closed = new Promise<void>((resolve) => {
    port.once('close', () => {
      rpc.$close(failure('SHUTTING_DOWN', {}));
      onClose?.();
      resolve();
    });
  });

  async function call(name: string, args: unknown[]): Promise<unknown> {
    if (rpc.$closed) throw failure('SHUTTING_DOWN', {});
    return rpc.$call(name, ...args);
  }

  return {
    calls<Name extends keyof Remote & string>(names: readonly Name[]) {
      const methods = names.map((name) => [name, (...args: unknown[]) => call(name, args)] as const);
      return Object.fromEntries(methods) as unknown as Pick<Remote, Name>;
    },
    send(name, ...args) {
      if (!rpc.$closed) void rpc.$callEvent(name, ...(args as unknown[]));
    },
    async close() {
      port.close();
      await closed;
    },
  };
}
