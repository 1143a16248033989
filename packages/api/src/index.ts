/**
 * The HTTP API's contract: what it takes and what it answers, as zod schemas and the types inferred from them. The
 * coordinator checks and serialises by them, the dashboard is typed by them. No transport here, and no behaviour.
 *
 * All routes begin with API_PREFIX. Names are snake_case; times are ISO 8601 in UTC, durations seconds, sizes bytes;
 * names that end in `_total` only ever grow while what they count lives.
 */
export * from './datasets.js';
export * from './events.js';
export * from './fleet.js';
export * from './page.js';
export * from './previews.js';
export * from './problem.js';
export * from './recipes.js';
export * from './reports.js';
export * from './runs.js';
export * from './statistics.js';
export * from './steps.js';
