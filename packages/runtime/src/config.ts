import { failure } from '@cropstream/errors';
import type { z } from 'zod';
import { shown } from './variables.js';

/** A service's configuration: an object of the schemas of variables.ts by the variables' names. */
export type ConfigSchema = z.ZodObject<Record<string, z.ZodType>>;

/** A line of the table of variables. */
export interface VariableInfo {
  readonly variable: string;
  readonly allowed: string;
  /** Its default as text; `none` where it may be absent, `required` where it may not. */
  readonly default: string;
  readonly description: string;
}

/**
 * The configuration that `env` (usually `process.env`) gives. An empty variable counts as unset; variables that the
 * schema does not have are not looked at.
 * @throws CONFIG_INVALID, naming the variable, its value and what is allowed
 */
export function loadConfig<S extends ConfigSchema>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
): z.output<S> {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name];
    if (value !== undefined && value.trim() !== '') given[name] = value;
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0]);
  const variable = schema.shape[name];
  const { secret } = variable === undefined ? { secret: false } : describe(variable);
  throw failure('CONFIG_INVALID', {
    variable: name,
    value: shown(given[name], secret),
    allowed: issue?.message ?? 'another value',
    default: variable === undefined ? 'none' : describe(variable).default,
  });
}

/** Every variable of a schema, for documentation. */
export function configVariables(schema: ConfigSchema): VariableInfo[] {
  return Object.entries(schema.shape).map(([variable, type]) => {
    const { allowed, default: value, description } = describe(type);
    return { variable, allowed, default: value, description };
  });
}

/** The variables as a Markdown table. */
export function configTable(schema: ConfigSchema): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const rows = configVariables(schema).map(
    (v) => `| \`${v.variable}\` | ${cell(v.allowed)} | ${cell(v.default)} | ${cell(v.description)} |`,
  );
  return ['| variable | allowed | default | what it sets |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** What a variable's schema says of it, its wrappers (`default`, `optional`, pipes) looked through. */
function describe(type: z.ZodType): {
  allowed: string;
  default: string;
  description: string;
  secret: boolean;
} {
  let allowed: unknown;
  let description: unknown;
  let secret = false;
  let fallback = 'required';
  let inner: z.ZodType | undefined = type;
  while (inner !== undefined) {
    const meta: Readonly<Record<string, unknown>> = inner.meta() ?? {};
    allowed ??= meta.allowed;
    description ??= meta.description;
    secret ||= meta.secret === true;
    const def = inner.def as {
      readonly type: string;
      readonly innerType?: z.ZodType;
      readonly in?: z.ZodType;
      readonly defaultValue?: unknown;
    };
    if (fallback === 'required' && /^(pre|de)fault$/.test(def.type)) fallback = String(def.defaultValue);
    if (fallback === 'required' && def.type === 'optional') fallback = 'none';
    inner = def.innerType ?? def.in;
  }
  return {
    allowed: String(allowed ?? 'any text'),
    default: fallback,
    description: String(description ?? ''),
    secret,
  };
}
