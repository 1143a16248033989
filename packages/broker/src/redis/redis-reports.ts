import type { ReportKind, ReportPage, RunKey, RunReports, SubstitutionReport } from '../records.js';
import type { Keys } from './keys.js';
import type { RedisLink } from './link.js';
import { REPORT_SUBSTITUTIONS, REPORTS } from './lua/reports.js';

/** What is kept of runs for their operators. */
export class RedisReports {
  constructor(
    private readonly link: RedisLink,
    private readonly keys: Keys,
    private readonly idleMs: number,
  ) {}

  async addSubstitutions(runKey: RunKey, reports: readonly SubstitutionReport[]): Promise<void> {
    if (reports.length === 0) return;
    const args = reports.map((report) => JSON.stringify(report));
    await this.link.run(REPORT_SUBSTITUTIONS, this.keys.run(runKey), [2 * this.idleMs, ...args]);
  }

  async page<Kind extends ReportKind>(
    runKey: RunKey,
    kind: Kind,
    {
      before = Number.MAX_SAFE_INTEGER,
      most,
    }: { readonly before?: number | undefined; readonly most: number },
  ): Promise<ReportPage<RunReports[Kind]>> {
    const answer = await this.link.run(REPORTS, this.keys.run(runKey), [kind, before, most]);
    const [total, first, found = []] = answer as [number, number, string[]?];
    const reports = found.map((json, i) => ({
      number: first - i,
      report: JSON.parse(json) as RunReports[Kind],
    }));
    return { total, reports };
  }
}
