import type { MessagePort } from 'node:worker_threads';
import { CropstreamError, failure, toFailure, type WireError } from '@cropstream/errors';
import { createBirpc } from 'birpc';

/** A birpc message: a call has arguments, an answer a result or an error. */
interface Message {
  readonly a?: readonly unknown[];
  readonly r?: unknown;
  readonly e?: unknown;
}

/**
 * Calls over a MessagePort, both ways: errors cross as errors of the table, and bytes that are alone in their
 * buffer are moved, not copied. `$close` ends it; calls under way fail when either end closes.
 */
export function portRpc<Remote extends object, Local extends object>(port: MessagePort, local: Local) {
  const rpc = createBirpc<Remote, Local>(local, {
    bind: 'functions',
    timeout: -1,
    post: (message: Message) => {
      port.postMessage(message, [...(message.a ?? []), message.r].flatMap(movable));
    },
    on: (receive) => port.on('message', receive),
    off: (receive) => port.off('message', receive),
    serialize: (message: Message): Message =>
      message.e === undefined ? message : { ...message, e: toFailure(message.e).toWire() },
    deserialize: (message: Message): Message =>
      message.e === undefined ? message : { ...message, e: CropstreamError.fromWire(message.e as WireError) },
  });
  port.once('close', () => rpc.$close(failure('SHUTTING_DOWN', {})));
  return rpc;
}

/** Bytes, or the `data` of pixels: what is large enough that a copy would cost. */
function movable(value: unknown): ArrayBuffer[] {
  const bytes = isPixels(value) ? value.data : value;
  const alone = bytes instanceof Uint8Array && bytes.byteLength === bytes.buffer.byteLength;
  return alone && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];
}

function isPixels(value: unknown): value is { data: unknown } {
  return typeof value === 'object' && value !== null && 'data' in value;
}
