/** What the service said was wrong: a row of the table of errors, as problem+json. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly status: number,
    /** Of the table; `UNKNOWN` where something else answered. */
    readonly code: string,
    /** What was wrong; a line for each thing. */
    readonly problem: string,
    readonly help: string,
  ) {
    super(problem);
  }

  /** What was wrong with each field that is named; under '' what names none. */
  byField(): ReadonlyMap<string, string> {
    const fields = new Map<string, string>();
    for (const line of this.problem.split('\n')) {
      const named = /^([A-Za-z_][\w.[\]-]*)(?:: | is missing; )(.+)$/.exec(line);
      const [, field = '', text = line] = named ?? [];
      const before = fields.get(field);
      fields.set(field, before === undefined ? text : `${before}\n${text}`);
    }
    return fields;
  }
}

/** The service did not answer at all. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Any thrown value in words for the reader. */
export function inWords(thrown: unknown): { readonly title: string; readonly help: string } {
  if (thrown instanceof Problem) return { title: capitalised(thrown.problem), help: thrown.help };
  if (thrown instanceof Unreachable) {
    return {
      title: 'The coordinator does not answer',
      help: 'Nothing is lost: it is asked again as soon as it is back.',
    };
  }
  return { title: thrown instanceof Error ? thrown.message : String(thrown), help: '' };
}

export const isAbort = (thrown: unknown): boolean =>
  thrown instanceof DOMException && thrown.name === 'AbortError';
