import type { Preview, Row, Sample, Statistics } from '@cropstream/api';
import type { OwnerLimits } from '@cropstream/runtime';

/** What the coordinator and the process that makes pictures ask of one another. Plain data: it crosses as it is. */

/** A run as that process needs to know it. */
export interface StudioRun {
  readonly digest: string;
  readonly manifestDigest: string;
  /** Resolved. */
  readonly specJson: string;
  /** Where its dataset lies now. */
  readonly url: string;
  /** What its owner may have read. */
  readonly roots: OwnerLimits['roots'];
}

/** Some rows of a rank's batch. */
export interface RowRange {
  readonly step: number;
  readonly rank: number;
  readonly worldSize: number;
  readonly firstRow: number;
  readonly rows: number;
}

/** A spec that nobody opened, resolved as far as that goes without its dataset. */
export interface PreviewedSpec {
  /** As its user wrote it. */
  readonly input: unknown;
  readonly epoch: number;
  readonly images: number;
  /** The manifest of an open run with the same dataset, where there is one: it need not be indexed again. */
  readonly manifestDigest: string | null;
  /** What may be read for it. */
  readonly roots: OwnerLimits['roots'];
}

/** A replayed batch that waits to be taken, a piece after the other. */
export interface ReplayedBatch {
  readonly digest: string;
  readonly bytes: number;
}

export interface StudioCalls {
  rows(run: StudioRun, range: RowRange, pictures: boolean): Promise<Row[]>;
  sheet(run: StudioRun, range: RowRange): Promise<Uint8Array>;
  /** The source of the range's one row, as JPEG or PNG. */
  source(run: StudioRun, range: RowRange, format: 'jpg' | 'png'): Promise<Uint8Array>;
  /** A view of the range's one row as PNG. */
  view(run: StudioRun, range: RowRange, view: string): Promise<Uint8Array>;
  /** Replays a batch as .npz and holds it until its last piece is taken. */
  batch(run: StudioRun, range: Omit<RowRange, 'firstRow' | 'rows'>): Promise<ReplayedBatch>;
  /** The next piece of the batch; null: that was all. */
  batchPiece(): Promise<Uint8Array | null>;
  statistics(run: StudioRun, samples: number): Promise<Statistics>;
  samples(manifestDigest: string, first: number, most: number): Promise<Sample[]>;
  preview(spec: PreviewedSpec, pictures: boolean): Promise<Preview>;
  previewSheet(spec: PreviewedSpec): Promise<Uint8Array>;
}

/** What the process that makes pictures may ask. */
export interface StudioNeeds {
  /** A manifest or what goes with one, by its digest. */
  manifest(digest: string): Promise<Uint8Array | null>;
}

/** How that process is set up. */
export interface StudioSettings {
  /** ES modules of third-party transforms and sources. */
  readonly transforms: readonly string[];
  readonly sources: readonly string[];
  /** Bytes of one replayed batch. */
  readonly maxBatchBytes: number;
  /** Pixels of all views that one answer shows. */
  readonly maxPixels: number;
}
