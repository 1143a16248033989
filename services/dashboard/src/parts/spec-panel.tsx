import { toYaml, type Yaml } from '../form/yaml.js';
import { CopyButton } from './copy.js';

interface SpecPanelProps {
  readonly spec: { readonly [field: string]: Yaml };
  /** What it is good for, beside the heading. */
  readonly note: string;
}

/** A spec to read and to copy. */
export function SpecPanel({ spec, note }: SpecPanelProps) {
  const yaml = toYaml(spec);
  return (
    <section class="panel">
      <header>
        <h2 id="spec">
          Spec <span class="muted small">{note}</span>
        </h2>
        <CopyButton text={yaml} what="the spec" label="Copy" />
      </header>
      <div class="body">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys */}
        <section class="scroll" tabIndex={0} aria-labelledby="spec">
          <pre class="text">{yaml}</pre>
        </section>
      </div>
    </section>
  );
}
