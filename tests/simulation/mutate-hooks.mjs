// Module hooks that put one defect into a built file as it is loaded. Nothing on disk changes.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

let mutation;

export function initialize(data) {
  mutation = data;
}

export async function load(url, context, next) {
  if (!url.endsWith(mutation.file)) return next(url, context);
  const source = await readFile(fileURLToPath(url), 'utf8');
  const parts = source.split(mutation.find);
  if (parts.length !== 2) {
    throw new Error(`${mutation.file} holds ${parts.length - 1} times, not once: ${mutation.find}`);
  }
  return { format: 'module', source: parts.join(mutation.replace), shortCircuit: true };
}
