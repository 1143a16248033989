import { type CropstreamError, failure } from '@cropstream/errors';
import type { Command, CommanderError } from 'commander';

/**
 * What commander found wrong with a command line, as an error of the table that names the flag.
 * @param program after it parsed the command line
 */
export function usageFailure({ code, message }: CommanderError, program: Command): CropstreamError {
  const text = message.replace(/^error: /, '');
  const command = program.commands.find((candidate) => candidate.name() === program.args[0]);
  const given = /^option '(?:-\w, )?(--[\w-]+)[^']*' argument '(.*)' is invalid\. (.*)$/s.exec(text);
  if (given !== null) {
    const [, field = '', value = '', allowed = ''] = given;
    return invalid(field, value === '' ? '""' : value, allowedOf(allowed));
  }
  const [, unknown] = /^unknown (?:option|command) '(.*?)'/s.exec(text) ?? [];
  if (unknown !== undefined) {
    const kind = code === 'commander.unknownCommand' ? 'command' : 'flag';
    const [, similar] = /\(Did you mean (.*)\?\)/s.exec(text) ?? [];
    const meant =
      similar ?? (kind === 'flag' && command !== undefined ? flagMeant(unknown, command) : undefined);
    const listed = `a ${kind} that --help lists`;
    return invalid(kind, unknown, meant === undefined ? listed : `${meant} (did you mean it?), or ${listed}`);
  }
  const [, empty, wanted] = /^option '(?:-\w, )?(--[\w-]+) ?([^']*)' argument missing/.exec(text) ?? [];
  if (empty !== undefined) return invalid(empty, 'nothing', `a value: ${empty} ${wanted}`);
  const [, required] = /^required option '(?:-\w, )?(--[\w-]+)[^']*' not specified/.exec(text) ?? [];
  if (required !== undefined) {
    const option = command?.options.find(({ long }) => long === required);
    const choices = option?.argChoices ? ` (${option.argChoices.join(', ')})` : '';
    return failure('SPEC_INCOMPLETE', { field: required, allowed: `${option?.description ?? ''}${choices}` });
  }
  const [, one, other] = /^option '(--[\w-]+).*' cannot be used with option '(--[\w-]+)/.exec(text) ?? [];
  if (one !== undefined) return invalid(one, `together with ${other}`, 'one of the two');
  const [path] = command?.args ?? [];
  if (code === 'commander.excessArguments' && path !== undefined && flagsOf(command).includes('--data')) {
    return invalid('the command line', path, `flags alone: --data ${path}`);
  }
  return invalid('the command line', text, 'what --help shows');
}

const invalid = (field: string, value: string, allowed: string) =>
  failure('SPEC_INVALID', { field, value, allowed });

const flagsOf = (command: Command | undefined): string[] =>
  command?.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : [])) ?? [];

/** What other loaders call a flag that no spelling leads to. */
const ELSEWHERE: Readonly<Record<string, string>> = { '--num-workers': '--threads', '--config': '--spec' };

/** The flag that an unknown one is a part of, or that is a part of it: --batch-size, --world-size. */
function flagMeant(unknown: string, command: Command): string | undefined {
  const word = unknown.replace(/^--?/, '').replaceAll('_', '-');
  const flags = flagsOf(command);
  const alias = ELSEWHERE[`--${word}`];
  if (alias !== undefined && flags.includes(alias)) return alias;
  return flags.find((flag) => {
    const known = flag.slice(2);
    return word.length > 2 && (known.includes(word) || word.startsWith(known));
  });
}

/** "Expected an integer." or "Allowed choices are a, b." as a phrase. */
function allowedOf(sentence: string): string {
  return sentence
    .replace(/\.$/, '')
    .replace(/^Expected /, '')
    .replace(/^Allowed choices are /, 'one of ');
}
