import { Document, isScalar, visit } from 'yaml';
import type { ResolvedSpec } from './schema.js';

/** A resolved spec as YAML, which is a spec again; lists of numbers and words stand on one line. */
export function printSpec(spec: ResolvedSpec): string {
  const document = new Document(spec, { aliasDuplicateObjects: false });
  visit(document, {
    Seq: (_, list) => {
      list.flow = list.items.every(isScalar);
    },
  });
  return document.toString({ lineWidth: 120, flowCollectionPadding: false });
}
