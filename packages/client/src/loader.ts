import { failure, toFailure } from '@cropstream/errors';
import { clientSecurity, tokenInClear } from '@cropstream/runtime';
import { connect } from './connect.js';
import type { Batch } from './core/batch.js';
import type { RunInfo } from './core/run.js';
import type { BatchStream } from './core/stream.js';
import { GrpcTransport } from './grpc-transport.js';
import { type LoaderOptions, resolveOptions, type Settings } from './options.js';
import { checkState, type LoaderState, makeState, parseState } from './state.js';

/**
 * One rank's batches of a run, each once, in order. The loader is a cursor over the run's endless stream of steps: an
 * iteration yields from where it stands to the end of an epoch; leave it early and the next one goes on there. The
 * prefetch runs across epoch ends.
 *
 * ```ts
 * const loader = await MultiCropLoader.open({ target: 'localhost:50051' });
 * for await (const batch of loader) train(batch);
 * await loader.close();
 * ```
 */
export class MultiCropLoader implements AsyncIterable<Batch> {
  private constructor(
    /** The run that it draws from. */
    readonly run: RunInfo,
    /** Batches of one epoch of the iteration: the dataset's, or `epochSize` / global batch. */
    readonly length: number,
    private readonly stream: BatchStream,
    private readonly settings: Settings,
    private readonly release: () => Promise<void>,
  ) {}

  /**
   * Finds or opens the run and attaches this rank to it.
   *
   * @throws CropstreamError. SPEC_INVALID: an option or the spec. UNREACHABLE. TLS_FAILED, UNAUTHENTICATED. RUN_NOT_FOUND, RUN_CONFLICT: the name.
   *   RANK_OUT_OF_RANGE, WORLD_INDIVISIBLE, UNEVEN_TAIL, WORLD_MISMATCH, RANK_TAKEN: the rank in its world.
   *   WINDOW_TOO_SMALL: `prefetch.bytes` holds no step. STEP_OUT_OF_RANGE. STATE_MISMATCH, FINGERPRINT_MISMATCH: `state`.
   *   CANCELLED: `signal`. And what opening a run may throw (docs/errors.md).
   */
  static async open(options: LoaderOptions): Promise<MultiCropLoader> {
    const settings = resolveOptions(options, process.env);
    const state = options.state === undefined ? null : parseState(options.state);
    const { signal } = options;
    const own = options.transport === undefined ? grpcTransport(options, settings) : null;
    const transport = options.transport ?? (own as GrpcTransport);
    let stream: BatchStream | null = null;
    const release = async () => {
      signal?.removeEventListener('abort', release);
      stream?.close(failure('CANCELLED', { what: 'the loader' }));
      await own?.close();
    };
    try {
      const connection = await connect(options, settings, state, transport, (problem) => {
        if (own !== null) warnOfRelay(settings.target, problem);
      });
      stream = connection.stream;
      signal?.addEventListener('abort', release);
      if (signal?.aborted) await release();
      await stream.start(connection.limitMs);
      return new MultiCropLoader(connection.run, connection.length, stream, settings, release);
    } catch (error) {
      await release();
      throw toFailure(error);
    }
  }

  /** The global step of the next batch: all before it were yielded. */
  get globalStep(): number {
    return this.stream.nextStep;
  }

  /** The epoch (of `length` batches) that the next batch belongs to. */
  get epoch(): number {
    return Math.floor(this.stream.nextStep / this.length);
  }

  /**
   * Goes to an epoch's first step. Within that epoch already (after a resume, say) the loader stays where it is, so
   * that `for (let epoch = loader.epoch; epoch < epochs; epoch++) { loader.setEpoch(epoch); … }` resumes in mid-epoch.
   *
   * @throws SPEC_INVALID unless `epoch` is an integer of at least 0
   */
  setEpoch(epoch: number): void {
    const step = epoch * this.length;
    if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(step) || epoch < 0) {
      throw failure('SPEC_INVALID', { field: 'epoch', value: epoch, allowed: 'an integer of at least 0' });
    }
    if (epoch !== this.epoch) this.stream.seek(step);
  }

  /** Where the loader stands, as plain JSON: counts what was yielded, never what was prefetched. Costs nothing. */
  stateDict(): LoaderState {
    return makeState(this.run, this.stream.nextStep, this.settings.consumer);
  }

  /**
   * Goes to where a saved state was. To open the state's run with it, give it to `open` instead.
   *
   * @throws STATE_MISMATCH naming the field, FINGERPRINT_MISMATCH, SPEC_INVALID
   */
  loadStateDict(state: LoaderState): void {
    const parsed = parseState(state);
    checkState(parsed, this.run);
    this.stream.seek(parsed.global_step);
  }

  /**
   * The epoch's batches from here on, or batches without end under `endless`; up to `endStep` in either case.
   *
   * @throws STREAM_STALLED or UNREACHABLE after `timeoutMs` without a batch: iterate again to go on waiting. What ended
   *   the attachment: SUPERSEDED, CHUNK_FAILED, ... CANCELLED once closed
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, void> {
    const end = this.settings.endless ? Number.POSITIVE_INFINITY : (this.epoch + 1) * this.length;
    while (this.stream.nextStep < end) {
      const batch = await this.stream.next();
      if (batch === null) return;
      yield batch;
    }
  }

  /** Detaches, and lets go of what is held. Whoever waits for a batch gets CANCELLED. */
  async close(): Promise<void> {
    await this.release();
  }
}

function warnOfRelay(target: string, problem: string): void {
  process.emitWarning(`${problem}; its batches come through the coordinator at ${target}`, {
    code: 'CROPSTREAM_RELAYED',
    detail:
      'They are the same batches, but one process sends those of all trainers that draw so: docs/fleet.md says what it costs. relay: "always" (CROPSTREAM_RELAY) leaves out the dialling, "never" makes it an error.',
  });
}

function grpcTransport({ token, clock }: LoaderOptions, { target, tls }: Settings): GrpcTransport {
  const security = clientSecurity({ tls, token }, process.env);
  if (tokenInClear(target, security)) {
    process.emitWarning(`the token for ${target} travels without TLS: whoever sees the traffic learns it`, {
      code: 'CROPSTREAM_TOKEN_IN_CLEAR',
      detail: 'CROPSTREAM_TLS_CA, or the option tls, turns TLS on; docs/security.md says how.',
    });
  }
  return new GrpcTransport(target, security, clock);
}
