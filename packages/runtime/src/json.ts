import { failure } from '@cropstream/errors';

/** Nothing that is sent to a service is nested so deeply; what walks through it may call itself for each level. */
const MAX_NESTING = 100;

/**
 * JSON of a stranger.
 * @throws LIMIT_EXCEEDED where it is nested too deeply
 * @throws SyntaxError where it is no JSON
 */
export function parseJson(text: string): unknown {
  checkNesting(text);
  return JSON.parse(text);
}

/** @throws LIMIT_EXCEEDED */
export function checkNesting(json: string): void {
  let depth = 0;
  let isString = false;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') isString = !isString;
    else if (isString) at += character === '\\' ? 1 : 0;
    else if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth--;
    if (depth > MAX_NESTING) {
      throw failure('LIMIT_EXCEEDED', { field: 'nesting', value: `over ${MAX_NESTING}`, limit: MAX_NESTING });
    }
  }
}
