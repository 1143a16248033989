import { failure } from '@cropstream/errors';
import type { Clock, Randomness, TlsOptions } from '@cropstream/runtime';
import { z } from 'zod';
import type { RelayMode } from './core/routes.js';
import type { Transport } from './core/transport.js';
import type { LoaderState } from './state.js';
import { flag, integer, text, validate } from './validation.js';

export interface LoaderOptions {
  /** The coordinator: `host:port`. */
  readonly target: string;
  /** The name of an open run. @default the only open one */
  readonly run?: string | undefined;
  /** A run's spec, as in its YAML file: opened if it is not open yet. Instead of `run`. */
  readonly spec?: object | undefined;
  /** What `stateDict` gave: opens the run it names, from the spec in it if need be, and goes on where it was. */
  readonly state?: LoaderState | undefined;
  /** @default the environment's RANK, or 0 */
  readonly rank?: number | undefined;
  /** @default the environment's WORLD_SIZE, or 1 */
  readonly worldSize?: number | undefined;
  /**
   * The training job's id: the same for all ranks of one job, another for another job on the same run.
   * @default the environment's CROPSTREAM_CONSUMER, TORCHELASTIC_RUN_ID or SLURM_JOB_ID, or `default`
   */
  readonly consumer?: string | undefined;
  readonly prefetch?:
    | {
        /** Steps that are held or on their way, the one awaited included. @default 4 */
        readonly steps?: number | undefined;
        /** Bytes that they may take, yielded batches not counted. @default 1 GiB, or one step where that is more */
        readonly bytes?: number | undefined;
      }
    | undefined;
  /** The global step to begin with. @default 0 */
  readonly startStep?: number | undefined;
  /** The global step to end before. @default none */
  readonly endStep?: number | undefined;
  /** One iteration goes on for ever instead of ending with the epoch. @default false */
  readonly endless?: boolean | undefined;
  /**
   * Samples (of all ranks) that one iteration draws: epochSize / global batch steps of the endless stream, rounded down,
   * wherever the dataset's epochs end. @default the dataset's epoch
   */
  readonly epochSize?: number | undefined;
  /** Accepts slices that differ by one sample between ranks. @default false */
  readonly allowUneven?: boolean | undefined;
  /** Ends a live process that draws as this rank of this job. @default false */
  readonly takeover?: boolean | undefined;
  /** Delivers each view's sampled parameters too. @default false */
  readonly params?: boolean | undefined;
  /** Fields to leave out of batches. @default [] */
  readonly excludeFields?: readonly string[] | undefined;
  /**
   * How chunks come from the workers: `auto` dials each, and draws through the coordinator what cannot be reached;
   * `always` draws all through the coordinator, `never` nothing.
   * @default the environment's CROPSTREAM_RELAY, or `auto`
   */
  readonly relay?: RelayMode | undefined;
  /**
   * TLS to the coordinator and to workers: true for certificates of the well-known authorities, or files of one's own.
   * @default CROPSTREAM_TLS, _CA, _CERT, _KEY and _SERVER_NAME of the environment; without them none
   */
  readonly tls?: boolean | TlsOptions | undefined;
  /** What services want of their callers. @default CROPSTREAM_TOKEN, or the file CROPSTREAM_TOKEN_FILE */
  readonly token?: string | undefined;
  /** The longest wait for one batch, in milliseconds. @default 60000 */
  readonly timeoutMs?: number | undefined;
  /** Closes the loader; whoever waits gets CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  /** Time, for simulations. @default the system's */
  readonly clock?: Clock | undefined;
  /** Chance for the waits between tries and the process's id; no data depends on it. @default the system's */
  readonly randomness?: Randomness | undefined;
  /** What carries the calls; closed by whoever made it. @default gRPC to `target` */
  readonly transport?: Transport | undefined;
}

const path = text().optional();

const RELAY_MODES = ['auto', 'always', 'never'] as const satisfies readonly RelayMode[];
const relayMode = z.enum(RELAY_MODES, { error: `one of ${RELAY_MODES.join(', ')}` });

const plainOptionsSchema = z.strictObject({
  target: text(),
  run: text().optional(),
  spec: z.record(z.string(), z.unknown(), { error: 'a run spec as an object' }).optional(),
  rank: integer(0).optional(),
  worldSize: integer(1).optional(),
  consumer: text().optional(),
  prefetch: z
    .strictObject(
      { steps: integer(1).optional(), bytes: integer(1).optional() },
      { error: 'an object with steps, bytes or both' },
    )
    .optional(),
  startStep: integer(0).optional(),
  endStep: integer(0).optional(),
  endless: flag().default(false),
  epochSize: integer(1).optional(),
  allowUneven: flag().default(false),
  takeover: flag().default(false),
  params: flag().default(false),
  excludeFields: z.array(text(), { error: 'a list of field names' }).default([]),
  tls: z
    .union([z.boolean(), z.strictObject({ ca: path, cert: path, key: path, serverName: path })], {
      error: 'true, false, or an object with ca, cert, key and serverName',
    })
    .optional(),
  relay: relayMode.optional(),
  timeoutMs: integer(1).default(60_000),
});

export type Settings = Omit<
  z.output<typeof plainOptionsSchema>,
  'rank' | 'worldSize' | 'consumer' | 'relay'
> & {
  readonly rank: number;
  readonly worldSize: number;
  readonly consumer: string;
  readonly relay: RelayMode;
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The options with every default filled in.
 *
 * @throws SPEC_INVALID naming the option or the environment's variable
 */
export function resolveOptions(options: LoaderOptions, environment: Environment): Settings {
  const {
    state,
    signal: _signal,
    clock: _clock,
    randomness: _randomness,
    transport: _transport,
    token: _token,
    ...plain
  } = options;
  const settings = validate(plainOptionsSchema, 'options', plain);
  const chosen = [settings.run && 'run', settings.spec && 'spec', state && 'state'].filter(Boolean);
  if (chosen.length > 1) throw invalid('options', chosen.join(' and '), 'one of run, spec and state');
  if (state !== undefined && settings.startStep !== undefined) {
    throw invalid('options.startStep', settings.startStep, 'nothing beside state, which says where to go on');
  }
  const worldSize = settings.worldSize ?? integerOf(environment, 'WORLD_SIZE', 1) ?? 1;
  const rank = settings.rank ?? integerOf(environment, 'RANK', 0);
  if (rank === null && worldSize > 1) {
    throw invalid('RANK', 'unset', `an integer in [0, ${worldSize}), as the world size is ${worldSize}`);
  }
  const consumer = settings.consumer ?? consumerOf(environment);
  const relay = settings.relay ?? relayOf(environment);
  return { ...settings, worldSize, rank: rank ?? 0, consumer, relay };
}

function relayOf({ CROPSTREAM_RELAY: value }: Environment): RelayMode {
  if (value === undefined || value === '') return 'auto';
  const mode = RELAY_MODES.find((known) => known === value);
  if (mode === undefined) throw invalid('CROPSTREAM_RELAY', value, `one of ${RELAY_MODES.join(', ')}`);
  return mode;
}

function integerOf(environment: Environment, name: string, min: number): number | null {
  const value = environment[name];
  if (value === undefined || value === '') return null;
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= min && Number.isSafeInteger(number))) {
    throw invalid(name, value, `an integer of at least ${min}`);
  }
  return number;
}

/** Launchers' job ids: what the ranks of one job have in common. torchrun's static rendezvous says `none`. */
function consumerOf(environment: Environment): string {
  const { CROPSTREAM_CONSUMER, TORCHELASTIC_RUN_ID, SLURM_JOB_ID } = environment;
  const elastic = TORCHELASTIC_RUN_ID === 'none' ? '' : TORCHELASTIC_RUN_ID;
  return CROPSTREAM_CONSUMER || elastic || SLURM_JOB_ID || 'default';
}

function invalid(field: string, value: string | number, allowed: string) {
  return failure('SPEC_INVALID', { field, value, allowed });
}
