import type { Dataset, Recipe, Recipes } from '@cropstream/api';
import { errorAt, type FieldErrors } from '../form/errors.js';
import { sourcesOf } from '../form/sources.js';
import type { Draft } from '../form/spec.js';
import { plural } from '../format.js';
import { Field } from '../parts/field.js';

interface RunFieldsProps {
  readonly known: Recipes;
  readonly datasets: readonly Dataset[];
  readonly draft: Draft;
  readonly errors: FieldErrors;
  readonly onChange: (part: Partial<Draft>) => void;
  readonly onRecipe: (recipe: Recipe) => void;
}

const SHUFFLES = [
  ['full', 'Full: any sample anywhere'],
  ['window', 'Window: neighbours stay near'],
  ['none', "None: the dataset's order"],
] as const;

/** What a run has beside its crops. */
export function RunFields({ known, datasets, draft: now, errors, onChange, onRecipe }: RunFieldsProps) {
  const sources = sourcesOf(known.spec_schema);
  const chosen = known.recipes.find(({ name }) => name === now.recipe);
  const setRecipe = (name: string) => {
    const recipe = known.recipes.find((candidate) => candidate.name === name);
    if (recipe !== undefined) onRecipe(recipe);
  };
  return (
    <section class="panel" aria-labelledby="run-fields">
      <header>
        <h2 id="run-fields">Run</h2>
      </header>
      <div class="body fields">
        <Field label="Name" error={errorAt(errors, 'name')} hint="What trainers attach to.">
          {(control) => (
            <input
              {...control}
              type="text"
              spellcheck={false}
              autocomplete="off"
              value={now.name}
              onInput={({ currentTarget }) => onChange({ name: currentTarget.value })}
            />
          )}
        </Field>
        <Field label="Recipe" error={errorAt(errors, 'recipe')} hint="The views to begin with.">
          {(control) => (
            <select
              {...control}
              value={now.recipe}
              onChange={({ currentTarget }) => setRecipe(currentTarget.value)}
            >
              {known.recipes.map(({ name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        {chosen !== undefined && <p class="wide small muted">{chosen.source}</p>}
        <Field
          label="Dataset"
          class="wide"
          error={errorAt(errors, 'dataset.url') ?? errorAt(errors, 'dataset')}
          hint="A folder as the service sees it, or a URL such as s3://bucket/prefix."
        >
          {(control) => (
            <>
              <input
                {...control}
                type="text"
                spellcheck={false}
                autocomplete="off"
                list="datasets"
                value={now.url}
                onInput={({ currentTarget: { value } }) => {
                  const source = datasets.find(({ url }) => url === value)?.source ?? now.source;
                  onChange({ url: value, source });
                }}
              />
              <datalist id="datasets">
                {datasets.map(({ digest, url, samples }) => (
                  <option key={digest} value={url} label={plural(samples, 'sample')} />
                ))}
              </datalist>
            </>
          )}
        </Field>
        <Field label="Source" error={errorAt(errors, 'dataset.source')}>
          {(control) => (
            <select
              {...control}
              value={now.source}
              onChange={({ currentTarget }) => onChange({ source: currentTarget.value })}
            >
              {sources.map((source) => (
                <option key={source} value={source}>
                  {source}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Global batch size" error={errorAt(errors, 'global_batch_size')} hint="Over all ranks.">
          {(control) => (
            <input
              {...control}
              type="number"
              min="1"
              step="1"
              placeholder="64, or all of fewer"
              value={now.globalBatchSize ?? ''}
              onInput={({ currentTarget: { valueAsNumber: value } }) =>
                onChange({ globalBatchSize: Number.isNaN(value) ? null : value })
              }
            />
          )}
        </Field>
        <Field label="Seed" error={errorAt(errors, 'seed')} hint="Of the order and of every crop.">
          {(control) => (
            <input
              {...control}
              type="number"
              min="0"
              step="1"
              value={now.seed}
              onInput={({ currentTarget: { valueAsNumber: value } }) =>
                onChange({ seed: Number.isNaN(value) ? 0 : value })
              }
            />
          )}
        </Field>
        <Field label="Shuffle" error={errorAt(errors, 'shuffle')}>
          {(control) => (
            <select
              {...control}
              value={now.shuffle}
              onChange={({ currentTarget }) => onChange({ shuffle: currentTarget.value as Draft['shuffle'] })}
            >
              {SHUFFLES.map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </select>
          )}
        </Field>
        <label class="check">
          <input
            type="checkbox"
            checked={now.dropLast}
            onChange={({ currentTarget }) => onChange({ dropLast: currentTarget.checked })}
          />
          Leave out the tail that fills no step
        </label>
      </div>
    </section>
  );
}
