/**
 * The one table of errors. Every failure that a user can meet has a row: a stable code, the gRPC
 * and HTTP status it travels as, whether trying again can help, and a message that says what was
 * wrong, with the value, and what to do. `docs/errors.md` is generated from it.
 */

/** Canonical gRPC status numbers (google.rpc.Code), here so that this package depends on nothing. */
export const GrpcStatus = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export interface ErrorRow {
  readonly grpc: keyof typeof GrpcStatus;
  readonly http: number;
  /** True where the same call may succeed later, unchanged. */
  readonly retryable: boolean;
  /** When it occurs, for docs/errors.md. */
  readonly when: string;
  /** What was wrong, with `{name}` filled from the details. */
  readonly message: string;
  /** What to do about it. */
  readonly help: string;
}

const row = <const R extends ErrorRow>(r: R): R => r;

export const ERROR_TABLE = {
  // --- run specs -------------------------------------------------------------------------------
  SPEC_INVALID: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'A run spec, a command-line flag or a request has a field that the schema does not allow.',
    message: '{field}: {value} is not allowed; expected {allowed}',
    help: 'Correct what is named. docs/recipes.md lists every field of a spec with its default, --help every flag.',
  }),
  SPEC_INCOMPLETE: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'A run spec, a command-line flag or a request lacks a field that it must have.',
    message: '{field} is missing; expected {allowed}',
    help: 'Add what is named. docs/recipes.md lists every field of a spec with its default, --help every flag.',
  }),
  SPEC_UNREADABLE: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'A spec file is missing, is not YAML or JSON, or extends itself.',
    message: 'cannot read the spec {path}: {reason}',
    help: 'Check the path and the syntax; `extends:` and `defaults:` are relative to the file that names them.',
  }),
  NO_FULL_STEP: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'A run with drop_last has fewer samples than one global batch.',
    message: 'the dataset has {samples} samples, fewer than one global batch of {global_batch_size}',
    help: 'Lower global_batch_size (--global-batch-size), or set drop_last: false (--no-drop-last).',
  }),
  VIEW_KEY_COLLISION: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'Two views that should be independent hash to one random stream (about one in four thousand million a pair).',
    message: 'views {first} and {second} would draw the same random numbers',
    help: 'Rename one of them, or give one another seed. Equal seeds are allowed: they yoke views on purpose.',
  }),
  LIMIT_EXCEEDED: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'A value is over a limit of the service or of the spec.',
    message: '{field}: {value} is over the limit of {limit}',
    help: 'Stay within it; where it is a limit of the service, whoever operates that can set another.',
  }),
  // --- datasets --------------------------------------------------------------------------------
  DATASET_NOT_FOUND: row({
    grpc: 'NOT_FOUND',
    http: 404,
    retryable: false,
    when: "A dataset's url does not exist or cannot be read by the service.",
    message: 'the dataset {url} cannot be read: {reason}',
    help: 'Check the path as the service sees it (inside a container, the mount), or the bucket and the prefix.',
  }),
  DATASET_DENIED: row({
    grpc: 'PERMISSION_DENIED',
    http: 403,
    retryable: false,
    when: 'The storage refuses access to a dataset or to a file of it: credentials that are missing, wrong or expired, or no permission.',
    message: 'access to {path} is denied: {reason}',
    help: 'Check the credentials that the service runs with and what they allow (docs/storage.md), or the permissions of the file.',
  }),
  DATASET_UNAVAILABLE: row({
    grpc: 'UNAVAILABLE',
    http: 503,
    retryable: true,
    when: "A dataset's storage does not answer, or fails, while the dataset is indexed; after retries.",
    message: 'the dataset {url} cannot be read now: {reason}',
    help: 'Is the storage up, and is its address right (AWS_ENDPOINT_URL_S3 for object stores)? Try again.',
  }),
  IMAGE_NOT_FOUND: row({
    grpc: 'NOT_FOUND',
    http: 404,
    retryable: false,
    when: 'An image file that a command was given does not exist or cannot be read.',
    message: 'the image {path} cannot be read: {reason}',
    help: 'Check the path and its permissions.',
  }),
  DATASET_EMPTY: row({
    grpc: 'FAILED_PRECONDITION',
    http: 422,
    retryable: false,
    when: 'No sample was found under the url.',
    message: 'no image was found under {url} ({found})',
    help: 'Check the url, and `source` and `shards` where they are given. image-folder reads .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp, in class folders or not; webdataset .tar, parquet .parquet.',
  }),
  NO_GOOD_IMAGE: row({
    grpc: 'FAILED_PRECONDITION',
    http: 422,
    retryable: false,
    when: 'Of all the images that a command was to show or measure, none can be decoded.',
    message:
      'none of the images looked at under {url} can be decoded ({count} of {count} are bad); the first: {reason}',
    help: '`cropstream index --data` counts the files of a folder by kind, each with its fix.',
  }),
  DATASET_CHANGED: row({
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    retryable: false,
    when: 'A sample is missing, has another size than in the manifest of a live run, or lies in an object that was replaced.',
    message: 'the dataset changed under the run: {path} {change}',
    help: 'Restore the file, or open a new run: a run reads exactly the samples it was opened with.',
  }),
  DATASET_MALFORMED: row({
    grpc: 'FAILED_PRECONDITION',
    http: 422,
    retryable: false,
    when: "A dataset's own index or container file is damaged or not what its source expects.",
    message: '{path} is not valid: {reason}',
    help: 'Make the file again, or name another `source`.',
  }),
  SAMPLE_IO: row({
    grpc: 'UNAVAILABLE',
    http: 503,
    retryable: true,
    when: 'Reading a sample failed after its retries. Never a reason to substitute.',
    message: 'reading {path} failed: {reason}',
    help: 'Check the storage; the run goes on from the same step when it is back.',
  }),
  // --- samples: only the bytes themselves make a sample bad ------------------------------------
  SAMPLE_UNDECODABLE: row({
    grpc: 'FAILED_PRECONDITION',
    http: 422,
    retryable: false,
    when: 'The bytes of a sample are not a whole image.',
    message: '{path}: {reason}',
    help: 'Replace or remove the file, or run with on_bad_sample: substitute.',
  }),
  SAMPLE_UNSUPPORTED: row({
    grpc: 'FAILED_PRECONDITION',
    http: 422,
    retryable: false,
    when: 'The bytes are an image of a kind that is not decoded (HEIC, AVIF, JPEG XL, SVG, video, ...).',
    message: '{path}: {format} is not supported',
    help: '{fix}',
  }),
  SAMPLE_OVER_LIMIT: row({
    grpc: 'FAILED_PRECONDITION',
    http: 422,
    retryable: false,
    when: 'A sample has more pixels or bytes than the spec allows, or is longer than any kernel takes.',
    message: '{path}: {value} {unit} is over the limit of {limit}',
    help: '{fix}',
  }),
  NO_GOOD_SAMPLE: row({
    grpc: 'FAILED_PRECONDITION',
    http: 422,
    retryable: false,
    when: 'Under substitute, none of the probed stand-ins for a bad sample was good.',
    message: 'no good sample in {probes} probes for {path}: {reason}',
    help: 'Most of the dataset is bad: `cropstream doctor --data` lists what and why.',
  }),
  // --- runs and delivery -----------------------------------------------------------------------
  RUN_NOT_FOUND: row({
    grpc: 'NOT_FOUND',
    http: 404,
    retryable: false,
    when: 'No open run has that name.',
    message: 'no run is named {run}',
    help: 'Open it from its spec; `cropstream serve` opens one at start. Known: {known}.',
  }),
  RUN_AMBIGUOUS: row({
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    retryable: false,
    when: 'No run was named, and several are open.',
    message: 'several runs are open: {known}',
    help: 'Name the one to draw from: `--run NAME`, or `run` in a loader.',
  }),
  RUN_CONFLICT: row({
    grpc: 'ALREADY_EXISTS',
    http: 409,
    retryable: false,
    when: 'A run of that name is open with another digest.',
    message: 'the run {run} is open with another spec or dataset: {difference}',
    help: 'Use another name. A run that nobody draws from is forgotten after a day.',
  }),
  RANK_TAKEN: row({
    grpc: 'ALREADY_EXISTS',
    http: 409,
    retryable: false,
    when: 'A second live process attaches the same rank of the same job.',
    message: 'rank {rank} of job {consumer} is attached by {host} pid {pid}',
    help: 'Is RANK unset, so that every process is rank 0? Two jobs on one run each need a consumer id of their own. If the other process is stale, attach with takeover.',
  }),
  WORLD_MISMATCH: row({
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    retryable: false,
    when: 'Ranks of one job attach at overlapping steps with different world sizes.',
    message: 'job {consumer} draws step {step} with world size {existing}, this rank says {given}',
    help: 'Start every rank of a job with one world size; change it between steps.',
  }),
  WORLD_INDIVISIBLE: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'The global batch cannot be cut evenly for that world size.',
    message: 'a global batch of {global_batch_size} does not divide by a world size of {world_size}',
    help: 'Choose a divisor, or attach with uneven ranks allowed.',
  }),
  RANK_OUT_OF_RANGE: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'A rank is not in [0, world size).',
    message: 'rank {rank} is not in a world of {world_size}',
    help: 'Check RANK and WORLD_SIZE.',
  }),
  UNEVEN_TAIL: row({
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    retryable: false,
    when: 'A run without drop_last has a tail that is uneven over the ranks, and the rank did not allow it.',
    message: 'the last step of an epoch has {tail} samples, uneven over {world_size} ranks',
    help: 'Attach with uneven ranks allowed, or open the run with drop_last: true.',
  }),
  STEP_OUT_OF_RANGE: row({
    grpc: 'OUT_OF_RANGE',
    http: 400,
    retryable: false,
    when: 'A step is negative, over 2^53, or not before the end that was asked for.',
    message: 'step {step} is out of range: {reason}',
    help: 'Check --from-step and --steps.',
  }),
  WINDOW_TOO_SMALL: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: "A trainer's credits do not hold one whole step.",
    message:
      'one step takes {needed} chunks and {needed_bytes} bytes, the credits are {given} chunks and {given_bytes} bytes',
    help: 'Give more prefetch memory, or lower the batch.',
  }),
  CHUNK_TOO_LARGE: row({
    grpc: 'RESOURCE_EXHAUSTED',
    http: 422,
    retryable: false,
    when: "One chunk of a run is larger than a worker's outbox may hold.",
    message: 'a chunk of this run takes {bytes} bytes, the limit is {limit}',
    help: 'Lower chunk_size or the views of the spec, or raise the limit of coordinator and workers.',
  }),
  CHUNK_NOT_FOUND: row({
    grpc: 'NOT_FOUND',
    http: 404,
    retryable: true,
    when: 'A worker does not hold the chunk asked for (it restarted, or dropped it).',
    message: 'this worker does not hold chunk {chunk}',
    help: 'Nothing to do: the client asks again, and it is made again with the same bytes.',
  }),
  WORKER_BUSY: row({
    grpc: 'UNAVAILABLE',
    http: 503,
    retryable: true,
    when: 'A worker sends as many chunks at once as it may.',
    message: 'this worker sends {streams} chunks already, its limit',
    help: 'Nothing to do: the client asks again. With very many trainers, raise maxStreams (limit {limit}) or add workers.',
  }),
  FETCH_STALLED: row({
    grpc: 'DEADLINE_EXCEEDED',
    http: 504,
    retryable: true,
    when: 'The reader of a chunk took nothing for so long that the worker ended the stream.',
    message: 'the reader of chunk {chunk} took no data for {seconds} s',
    help: 'The client goes on from where it stopped; if it persists, look at its network and its event loop.',
  }),
  CHUNK_DAMAGED: row({
    grpc: 'DATA_LOSS',
    http: 502,
    retryable: true,
    when: "A chunk's bytes do not have the length or checksum they were announced with.",
    message: 'chunk {chunk} from {worker} arrived damaged: {reason}',
    help: 'Nothing to do: it is made again. If it persists, check the network and memory of that host.',
  }),
  CHUNK_FAILED: row({
    grpc: 'FAILED_PRECONDITION',
    http: 500,
    retryable: false,
    when: 'Making a chunk failed in all its attempts, of a cause that might have passed: storage, a defect, workers that die.',
    message: 'chunk {chunk} failed {attempts} times, last: {reason}',
    help: "Mend what the reason names (the workers' logs have every attempt), then start the trainer again; the chunk is made again a minute after its last attempt, not sooner.",
  }),
  SUPERSEDED: row({
    grpc: 'ABORTED',
    http: 409,
    retryable: false,
    when: 'A newer attachment of the same rank took over.',
    message: 'rank {rank} of job {consumer} was taken over by {host} pid {pid}',
    help: 'Two processes draw as one rank; stop this one.',
  }),
  LOADER_FORKED: row({
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    retryable: false,
    when: 'A Python loader is used in a process that was forked from the one that opened it.',
    message:
      'the loader belongs to process {owner} and is used in its fork {pid}: its connections did not come along',
    help: 'Open the loader in the process that draws from it, after the fork, or start processes by spawn.',
  }),
  STREAM_STALLED: row({
    grpc: 'DEADLINE_EXCEEDED',
    http: 504,
    retryable: true,
    when: 'No batch came within the deadline.',
    message: 'rank {rank} waited {seconds} s for step {step}: {waiting}',
    help: 'Are workers alive? See the service log; raise the timeout if the pipeline is just slow.',
  }),
  UNREACHABLE: row({
    grpc: 'UNAVAILABLE',
    http: 503,
    retryable: true,
    when: 'A service cannot be reached.',
    message: 'cannot reach {target}: {reason}',
    help: 'Is it running, and is the address right? `cropstream doctor --target` looks.',
  }),
  TLS_FAILED: row({
    grpc: 'UNAVAILABLE',
    http: 502,
    retryable: false,
    when: 'A service answers, but the two sides do not agree on TLS: a certificate that is not trusted or of another name, or TLS on one side alone.',
    message: 'no secure connection to {target}: {reason}',
    help: '{fix}',
  }),
  UNAUTHENTICATED: row({
    grpc: 'UNAUTHENTICATED',
    http: 401,
    retryable: false,
    when: 'A service wants a token, and a call comes without one or with one that it does not know, or knows no more.',
    message: 'the call is refused: {reason}',
    help: "Give a token of the service's: `token` of a loader, or CROPSTREAM_TOKEN or CROPSTREAM_TOKEN_FILE in the environment.",
  }),
  FORBIDDEN: row({
    grpc: 'PERMISSION_DENIED',
    http: 403,
    retryable: false,
    when: 'A token is known, and what it was used for is not for its role or owner.',
    message: 'the token {token} may not {what}: {reason}',
    help: 'Use a token of that role or owner; docs/security.md says what each may do.',
  }),
  STATE_MISMATCH: row({
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    retryable: false,
    when: 'A saved loader state belongs to another run.',
    message: "the saved state is of another run: {field} is {saved}, the open run's is {current}",
    help: 'Open the run from the state itself, or start without the state.',
  }),
  FINGERPRINT_MISMATCH: row({
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    retryable: false,
    when: 'A worker or a saved state has another pixel fingerprint than the run.',
    message: 'the pixel fingerprint {given} is not that of the run, {expected}',
    help: 'Serve the run with the version that opened it, or open a new run.',
  }),
  PROTOCOL_MISMATCH: row({
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    retryable: false,
    when: 'Two parts speak different protocol versions.',
    message: 'protocol version {given} is not supported; this side speaks {supported}',
    help: 'Upgrade the older part.',
  }),
  STORE_UNAVAILABLE: row({
    grpc: 'UNAVAILABLE',
    http: 503,
    retryable: true,
    when: 'Redis, which holds the queue and what the services know in common, does not answer or takes no commands now.',
    message: 'Redis at {target} is not available: {reason}',
    help: 'Is it running, and is REDIS_URL right? Nothing is lost: services and trainers go on by themselves when it is back.',
  }),
  SHUTTING_DOWN: row({
    grpc: 'UNAVAILABLE',
    http: 503,
    retryable: true,
    when: 'The service is stopping.',
    message: 'the service is shutting down',
    help: 'Attach again: another instance, or this one restarted, goes on from the same step.',
  }),
  TRANSFORM_UNKNOWN: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'A transform is neither built in nor registered with the service.',
    message: '{field}: no transform is named {value}; known: {known}',
    help: 'Register it where the service starts: `--transform ./my-transform.mjs`.',
  }),
  TRANSFORM_INVALID: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'A third-party transform cannot be imported or does not follow the contract.',
    message: 'the transform module {path} cannot be used: {reason}',
    help: 'docs/transforms.md shows the contract with an example.',
  }),
  SOURCE_INVALID: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'A third-party source cannot be imported or does not follow the contract.',
    message: 'the source module {path} cannot be used: {reason}',
    help: 'docs/sources.md shows the contract with an example.',
  }),
  CONFIG_INVALID: row({
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    retryable: false,
    when: 'An environment variable of a service is missing or has a value that is not allowed.',
    message: 'the environment variable {variable} is {value}; expected {allowed}',
    help: 'Correct it, or leave it unset where it has a default: {default}.',
  }),
  WORKER_REFUSED: row({
    grpc: 'FAILED_PRECONDITION',
    http: 409,
    retryable: true,
    when: 'A coordinator does not let a worker join: its address cannot be dialled, or its protocol version is unknown.',
    message: 'the worker {worker} at {address} is refused: {reason}',
    help: 'Set CROPSTREAM_ADVERTISE to a name or address of its machine by which coordinators and trainers reach it, open its ports, and run one version; it is tried again by itself.',
  }),
  PORT_IN_USE: row({
    grpc: 'UNAVAILABLE',
    http: 503,
    retryable: false,
    when: 'A port to listen on is busy.',
    message: 'port {port} is in use',
    help: 'Port {free} is free: set {flag} {free}.',
  }),
  OUTPUT_UNWRITABLE: row({
    grpc: 'FAILED_PRECONDITION',
    http: 500,
    retryable: false,
    when: 'A file or folder that a command was to write cannot be written.',
    message: 'cannot write {path}: {reason}',
    help: 'Give another place (--out, --digests), or make room and permission there.',
  }),
  CANCELLED: row({
    grpc: 'CANCELLED',
    http: 499,
    retryable: false,
    when: 'The caller aborted.',
    message: '{what} was aborted',
    help: 'Nothing to do.',
  }),
  INTERNAL: row({
    grpc: 'INTERNAL',
    http: 500,
    retryable: false,
    when: 'A defect of Cropstream itself.',
    message: 'internal error: {reason}',
    help: 'Please report it, with the log.',
  }),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_TABLE;

type NamesIn<S extends string> = S extends `${string}{${infer Name}}${infer Rest}`
  ? Name | NamesIn<Rest>
  : never;

/** The details that a code's message and help need: each `{name}` in them. */
export type ErrorDetails<C extends ErrorCode> = {
  readonly [N in NamesIn<(typeof ERROR_TABLE)[C]['message']> | NamesIn<(typeof ERROR_TABLE)[C]['help']>]:
    | string
    | number
    | bigint
    | boolean;
};
