import type { CropstreamError } from '@cropstream/errors';
import type {
  AttachRequest,
  AttachResponse,
  FetchChunkRequest,
  Frame,
  Location,
  RunInfo,
} from '@cropstream/protocol';

/**
 * What carries the client's calls: gRPC in production, a script or a simulated network in tests. Messages are
 * the protocol's own. Handlers are never called before the call that took them has returned, in the order things
 * happened, and never again after `ended`, `close` or `cancel`.
 */
export interface Transport {
  /** The coordinator's address, for messages. */
  readonly target: string;
  /** Opens a run from its spec. May take as long as indexing the dataset does. Rejects with a CropstreamError. */
  openRun(specJson: string): Promise<RunInfo>;
  /** The run of that name; the only open one for an empty name. Rejects with a CropstreamError. */
  getRun(name: string): Promise<RunInfo>;
  attach(handlers: AttachHandlers): AttachStream;
  /** From the worker itself. */
  fetch(location: Location, request: FetchChunkRequest, handlers: FetchHandlers): FetchCall;
  /** The same through the coordinator, which finds the worker by its id. */
  relay(request: FetchChunkRequest, handlers: FetchHandlers): FetchCall;
  /** Ends what is still open. */
  close(): Promise<void>;
}

export interface AttachHandlers {
  message(message: AttachResponse): void;
  /** The stream ended: with the error that ended it, or null where the coordinator closed it in order. */
  ended(error: CropstreamError | null): void;
}

export interface AttachStream {
  send(message: AttachRequest): void;
  /** Ends the stream once what was sent has gone out. */
  close(): void;
}

export interface FetchHandlers {
  /** A frame; `data` may be reused by the transport once this returns. */
  frame(frame: Frame): void;
  ended(error: CropstreamError | null): void;
}

export interface FetchCall {
  cancel(): void;
}
