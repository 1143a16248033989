import type {
  AttachmentRecord,
  ChunkName,
  ReadyRecord,
  ReportKind,
  RunKey,
  RunRecord,
  RunState,
  SubstitutionReport,
  Verdict,
  WorkerRecord,
} from '../records.js';
import type { Store } from '../store.js';
import { keysOf } from './keys.js';
import { RedisLink, type RedisOptions } from './link.js';
import { RedisAttachments } from './redis-attachments.js';
import { RedisChunks } from './redis-chunks.js';
import { RedisManifests } from './redis-manifests.js';
import { RedisReports } from './redis-reports.js';
import { RedisRuns } from './redis-runs.js';
import { RedisWakes } from './redis-wakes.js';
import { RedisWorkers } from './redis-workers.js';

export interface RedisStoreOptions extends RedisOptions {
  /**
   * A run that nobody opens and no trainer is attached to is forgotten after so long (give or take a tenth), and so is
   * a manifest of no run.
   *
   * @default 24 hours
   */
  readonly idleMs?: number;
}

/**
 * The store of a fleet, in Redis 6.2 or newer. Each method is one script on keys of one slot, or a few of them in an
 * order in which a crash between two leaves nothing untrue. While Redis is away each call throws STORE_UNAVAILABLE at
 * once. docs/redis.md has the keys.
 */
export class RedisStore implements Store {
  readonly #link: RedisLink;
  readonly #runs: RedisRuns;
  readonly #manifests: RedisManifests;
  readonly #attachments: RedisAttachments;
  readonly #chunks: RedisChunks;
  readonly #workers: RedisWorkers;
  readonly #reports: RedisReports;
  readonly #wakes: RedisWakes;
  readonly #idleMs: number;

  private constructor(link: RedisLink, idleMs: number) {
    const keys = keysOf(link.prefix);
    this.#link = link;
    this.#idleMs = idleMs;
    this.#manifests = new RedisManifests(link, keys);
    this.#runs = new RedisRuns(link, keys, this.#manifests, idleMs);
    this.#workers = new RedisWorkers(link, keys);
    this.#attachments = new RedisAttachments(link, keys, this.#runs, idleMs);
    this.#chunks = new RedisChunks(link, keys, this.#runs, this.#workers, idleMs);
    this.#reports = new RedisReports(link, keys, idleMs);
    this.#wakes = new RedisWakes(link, keys);
  }

  /** @throws STORE_UNAVAILABLE where Redis does not answer within `connectMs` */
  static async open(options: RedisStoreOptions): Promise<RedisStore> {
    return new RedisStore(await RedisLink.open(options), Math.ceil(options.idleMs ?? 24 * 3_600_000));
  }

  /** Whether Redis can be reached now: what a service's readiness says. */
  get isReady(): boolean {
    return this.#link.isReady;
  }

  openRun(run: RunRecord) {
    return this.#runs.open(run);
  }

  runByName(owner: string, name: string) {
    return this.#runs.byName(owner, name);
  }

  runByKey(key: RunKey) {
    return this.#runs.byKey(key);
  }

  runs() {
    return this.#runs.all();
  }

  closeRun(owner: string, name: string) {
    return this.#runs.close(owner, name);
  }

  wasClosed(runKey: RunKey, name: string) {
    return this.#runs.wasClosed(runKey, name);
  }

  setRunState(owner: string, name: string, state: RunState) {
    return this.#runs.setState(owner, name, state);
  }

  putManifest(digest: string, bytes: Uint8Array) {
    return this.#manifests.put(digest, bytes, this.#idleMs);
  }

  manifest(digest: string, most?: number) {
    return this.#manifests.get(digest, this.#idleMs, most);
  }

  attach(attachment: Omit<AttachmentRecord, 'fencing'>, leaseMs: number, takeover: boolean) {
    return this.#attachments.attach(attachment, leaseMs, takeover);
  }

  renew(attachment: AttachmentRecord, leaseMs: number) {
    return this.#attachments.renew(attachment, leaseMs);
  }

  detach(attachment: AttachmentRecord) {
    return this.#attachments.detach(attachment);
  }

  attachments(runKey: RunKey) {
    return this.#attachments.of(runKey);
  }

  cursor(run: Pick<RunRecord, 'owner' | 'name'>, consumer: string, rank: number) {
    return this.#attachments.cursor(run, consumer, rank);
  }

  claim(runKey: RunKey, chunk: ChunkName, share: number) {
    return this.#chunks.claim(runKey, chunk, share);
  }

  hedge(runKey: RunKey, chunk: ChunkName, attempt: number, percent: number) {
    return this.#chunks.hedge(runKey, chunk, attempt, percent);
  }

  begin(runKey: RunKey, chunk: ChunkName, attempt: number, workerId: string) {
    return this.#chunks.begin(runKey, chunk, attempt, workerId);
  }

  publish(runKey: RunKey, ready: ReadyRecord) {
    return this.#chunks.publish(runKey, ready);
  }

  retract(runKey: RunKey, chunk: ChunkName, workerId: string, attempt: number) {
    return this.#chunks.retract(runKey, chunk, workerId, attempt);
  }

  release(runKey: RunKey, chunk: ChunkName, attempt: number, why: 'failure' | 'death' | 'abandoned') {
    return this.#chunks.release(runKey, chunk, attempt, why);
  }

  failChunk(runKey: RunKey, chunk: ChunkName, errorJson: string) {
    return this.#chunks.fail(runKey, chunk, errorJson);
  }

  chunkStates(runKey: RunKey, chunks: readonly ChunkName[]) {
    return this.#chunks.states(runKey, chunks);
  }

  outstanding(runKey: RunKey) {
    return this.#chunks.outstanding(runKey);
  }

  reportSubstitutions(runKey: RunKey, reports: readonly SubstitutionReport[]) {
    return this.#reports.addSubstitutions(runKey, reports);
  }

  reports<Kind extends ReportKind>(
    runKey: RunKey,
    kind: Kind,
    page: { readonly before?: number | undefined; readonly most: number },
  ) {
    return this.#reports.page(runKey, kind, page);
  }

  beat(worker: WorkerRecord, leaseMs: number) {
    return this.#workers.beat(worker, leaseMs);
  }

  workers() {
    return this.#workers.all();
  }

  leave(workerId: string) {
    return this.#workers.leave(workerId);
  }

  judge(workerId: string, verdict: Verdict, keepMs: number) {
    return this.#workers.judge(workerId, verdict, keepMs);
  }

  verdict(workerId: string) {
    return this.#workers.verdict(workerId);
  }

  wake(topic: string) {
    return this.#wakes.wake(topic);
  }

  onWake(topic: string, listener: () => void) {
    return this.#wakes.on(topic, listener);
  }

  async close() {
    this.#wakes.close();
    this.#link.close();
  }
}
