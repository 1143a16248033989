import { type CropstreamError, failure } from '@cropstream/errors';
import type { CommanderError } from 'commander';

/** What commander found wrong with a command line, as an error of the table that names the flag. */
export function usageFailure({ code, message }: CommanderError): CropstreamError {
  const text = message.replace(/^error: /, '');
  const given = /^option '(?:-\w, )?(--[\w-]+)[^']*' argument '(.*)' is invalid\. (.*)$/s.exec(text);
  if (given !== null) {
    const [, field = '', value = '', allowed = ''] = given;
    return invalid(field, value, allowedOf(allowed));
  }
  const [, unknown] = /^unknown (?:option|command) '(.*?)'/s.exec(text) ?? [];
  if (unknown !== undefined) {
    const kind = code === 'commander.unknownCommand' ? 'command' : 'flag';
    const [, meant] = /\(Did you mean (.*)\?\)/s.exec(text) ?? [];
    const listed = `a ${kind} that --help lists`;
    return invalid(kind, unknown, meant === undefined ? listed : `${meant} (did you mean it?), or ${listed}`);
  }
  const [, empty, wanted] = /^option '(?:-\w, )?(--[\w-]+) ?([^']*)' argument missing/.exec(text) ?? [];
  if (empty !== undefined) return invalid(empty, 'nothing', `a value: ${empty} ${wanted}`);
  return invalid('the command line', text, 'what --help shows');
}

const invalid = (field: string, value: string, allowed: string) =>
  failure('SPEC_INVALID', { field, value, allowed });

/** "Expected an integer." or "Allowed choices are a, b." as a phrase. */
function allowedOf(sentence: string): string {
  return sentence
    .replace(/\.$/, '')
    .replace(/^Expected /, '')
    .replace(/^Allowed choices are /, 'one of ');
}
