import { REPORTS_KEPT, type ReportKind, type ReportPage, type RunReports } from '../records.js';

interface Kept<Report> {
  total: number;
  /** Oldest first. */
  readonly newest: Report[];
}

/** The newest reports of one run. */
export class ReportBook {
  readonly #kinds: { readonly [Kind in ReportKind]: Kept<RunReports[Kind]> } = {
    substitutions: { total: 0, newest: [] },
    failures: { total: 0, newest: [] },
  };

  add<Kind extends ReportKind>(kind: Kind, reports: readonly RunReports[Kind][]): void {
    const kept = this.#kinds[kind];
    kept.total += reports.length;
    kept.newest.push(...reports);
    kept.newest.splice(0, Math.max(0, kept.newest.length - REPORTS_KEPT));
  }

  page<Kind extends ReportKind>(
    kind: Kind,
    {
      before = Number.POSITIVE_INFINITY,
      most,
    }: { readonly before?: number | undefined; readonly most: number },
  ): ReportPage<RunReports[Kind]> {
    const { total, newest } = this.#kinds[kind];
    const numbered = newest.map((report, i) => ({ number: total - newest.length + i + 1, report })).reverse();
    return { total, reports: numbered.filter(({ number }) => number < before).slice(0, most) };
  }
}
