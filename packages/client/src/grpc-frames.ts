import { CLIENT_OPTIONS, type Frame, FrameReader } from '@cropstream/protocol';
import type { ClientReadableStream } from '@grpc/grpc-js';

interface Decoder {
  /** Takes bytes of the call; gives the messages that they complete. */
  write(bytes: Buffer): Buffer[];
}

/** What a call of grpc-js has of the next inner one, whichever kind it is, and the innermost of what comes from the wire. */
interface Inner {
  readonly call?: Inner;
  readonly nextCall?: Inner;
  readonly child?: Inner;
  readonly underlyingCalls?: readonly Inner[];
  readonly committedCallIndex?: number;
  readonly decoder?: Partial<Decoder>;
}

/**
 * Gives the frames of a call as their bytes come. grpc-js would copy each message together first, into fresh memory of a
 * megabyte, for which the engine marks its whole heap again and again. What takes the place of its decoder lets no message
 * through. A version of grpc-js that has its decoder elsewhere gives messages as ever, as the call's data.
 */
export function readAsTheyCome(call: ClientReadableStream<Frame>, take: (frame: Frame) => void): void {
  const reader = new FrameReader(CLIENT_OPTIONS['grpc.max_receive_message_length'], take);
  // Earlier than that the call may have no connection yet.
  call.once('metadata', () => {
    const decoder = decoderOf(call);
    if (decoder === null) return;
    decoder.write = (bytes) => {
      reader.write(bytes);
      return [];
    };
  });
}

function decoderOf(call: ClientReadableStream<Frame>): Decoder | null {
  let inner = call as unknown as Inner | undefined;
  while (inner !== undefined) {
    const { decoder, underlyingCalls: attempts, committedCallIndex: attempt } = inner;
    if (typeof decoder?.write === 'function') return decoder as Decoder;
    inner = attempts ? attempts[attempt ?? -1] : (inner.call ?? inner.nextCall ?? inner.child);
  }
  return null;
}
