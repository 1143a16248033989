/**
 * A run's samples and batches made again, to look at: single samples (here), contact sheets (./pictures), whole
 * batches (./replay), and the statistics of drawn boxes (./statistics). The pixels are the workers' own. No services.
 */
export { Darkroom, type Developed, type OpenDataset, type SourceFacts } from './darkroom.js';
export { type LoadedRow, loadRow } from './load-row.js';
