import type { Dataset, OpenedRun, Page, Preview, PreviewRequest, Recipe, Recipes } from '@cropstream/api';
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { callJson } from '../api/http.js';
import { inWords, Problem } from '../api/problem.js';
import { errorAt, type FieldErrors, fieldErrors } from '../form/errors.js';
import { sourcesOf } from '../form/sources.js';
import { type Draft, type Spec, specOf } from '../form/spec.js';
import { knobsOf, type RecipeView, type ViewKnobs } from '../form/transforms.js';
import { toYaml } from '../form/yaml.js';
import { formatBytes, formatCount, plural } from '../format.js';
import { CopyButton } from '../parts/copy.js';
import { Field } from '../parts/field.js';
import { Icon } from '../parts/icons.js';
import { Empty, Failed, Loading } from '../parts/states.js';
import { useAnswer } from '../parts/use-answer.js';
import { go } from '../router.js';
import { FLEET, runHash } from '../routes.js';
import { SampleCard } from '../sheet/sample.js';
import { fleet, ownerBeside } from '../state/live.js';
import { ViewForm } from './compose-view.js';

/** A slider that is dragged asks for a picture when it rests for so long. */
const PREVIEW_DELAY_MS = 250;
const PREVIEW_IMAGES = 3;

/** What is being composed; it stays while the reader looks at another page. */
const draft = signal<Draft | null>(null);
/** Which images are looked at: each epoch's order begins with others. */
const previewEpoch = signal(0);

export function ComposePage() {
  const recipes = useAnswer('recipes', (signal) => callJson<Recipes>('recipes', { signal }));
  const datasets = useAnswer('datasets', (signal) => callJson<Page<Dataset>>('datasets', { signal }));
  const known = recipes.value;
  const ready = known !== null && (datasets.value !== null || datasets.error !== null);
  useEffect(() => {
    if (ready && draft.value === null) draft.value = firstDraft(known, datasets.value?.items ?? []);
  }, [ready, known, datasets.value]);
  return (
    <>
      <div class="page-head">
        <div>
          <p class="crumb">
            <a href={FLEET}>Fleet</a> / New run
          </p>
          <h1>Compose a run</h1>
        </div>
      </div>
      {recipes.error !== null ? (
        <section class="panel">
          <Failed error={recipes.error} retry={recipes.retry} />
        </section>
      ) : known === null || draft.value === null ? (
        <section class="panel">
          <Loading what="the recipes" lines={8} />
        </section>
      ) : (
        <Composer known={known} datasets={datasets.value?.items ?? []} draft={draft.value} />
      )}
    </>
  );
}

const viewsOf = (recipe: Recipe): readonly RecipeView[] => recipe.views as unknown as readonly RecipeView[];

function firstDraft({ recipes }: Recipes, datasets: readonly Dataset[]): Draft {
  const recipe = recipes.find(({ name }) => name === 'dino') ?? recipes[0]!;
  const dataset = datasets[0];
  return {
    name: freeName(recipe.name),
    source: dataset?.source ?? 'image-folder',
    url: dataset?.url ?? '',
    recipe: recipe.name,
    seed: 0,
    globalBatchSize: null,
    shuffle: 'full',
    dropLast: true,
    views: knobsOf(viewsOf(recipe)),
  };
}

/** A name that no run in sight has. */
function freeName(base: string): string {
  const taken = new Set(fleet.value?.runs.map(({ name }) => name));
  let name = base;
  for (let n = 2; taken.has(name); n++) name = `${base}-${n}`;
  return name;
}

interface ComposerProps {
  readonly known: Recipes;
  readonly datasets: readonly Dataset[];
  readonly draft: Draft;
}

function Composer({ known, datasets, draft: now }: ComposerProps) {
  const recipe = known.recipes.find(({ name }) => name === now.recipe) ?? known.recipes[0]!;
  const spec = specOf(now, viewsOf(recipe));
  const request: PreviewRequest = {
    spec: { ...spec },
    epoch: previewEpoch.value,
    images: PREVIEW_IMAGES,
    pictures: true,
  };
  const nowhere = now.url.trim() === '';
  const key = nowhere ? null : JSON.stringify(request);
  const preview = useAnswer(
    key,
    (signal) => callJson<Preview>('previews', { method: 'POST', body: request, signal }),
    PREVIEW_DELAY_MS,
  );
  const [opening, setOpening] = useState(false);
  const [refused, setRefused] = useState<{ readonly spec: string; readonly error: unknown } | null>(null);
  const written = JSON.stringify(spec);
  // What opening refused stays in sight until the spec is another.
  const error = refused?.spec === written ? refused.error : preview.error;
  const errors = fieldErrors(error instanceof Problem ? error : null);
  const change = (part: Partial<Draft>) => {
    draft.value = { ...now, ...part };
  };
  const changeView = (index: number, view: ViewKnobs) =>
    change({ views: now.views.map((other, at) => (at === index ? view : other)) });
  const open = async (event: SubmitEvent) => {
    event.preventDefault();
    setOpening(true);
    setRefused(null);
    try {
      const run = await callJson<OpenedRun>('runs', { method: 'POST', body: spec });
      draft.value = null;
      go(runHash(run.name, ownerBeside(run), 'crops'));
    } catch (thrown) {
      setRefused({ spec: written, error: thrown });
      setOpening(false);
      // Where the reader has to look, once it is drawn.
      requestAnimationFrame(() => document.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
    }
  };
  return (
    <form class="compose" onSubmit={open} noValidate>
      <div>
        <RunFields known={known} datasets={datasets} draft={now} errors={errors} onChange={change} />
        <section class="panel" aria-labelledby="crops">
          <header>
            <h2 id="crops">Crops</h2>
            <button
              type="button"
              class="button"
              onClick={() => change({ views: knobsOf(viewsOf(recipe)) })}
              disabled={!('views' in spec)}
            >
              As {recipe.name} has them
            </button>
          </header>
          {now.views.map((view, index) => (
            <ViewForm
              key={`${recipe.name} ${view.name}`}
              view={view}
              errors={errors}
              open={index === 0 || view.count !== null}
              onChange={(changed) => changeView(index, changed)}
            />
          ))}
        </section>
      </div>
      <div class="beside">
        <section class="panel" aria-labelledby="open">
          <div class="body open-bar">
            <div>
              <h2 id="open" class="hidden-visually">
                Open the run
              </h2>
              <p class="small muted">
                {preview.value !== null && <Size preview={preview.value} spec={spec} />}
              </p>
              {error !== null && (errors.get('') !== undefined || errors.size === 0) && (
                <p class="small errors" role="alert">
                  {errors.get('') ?? `${inWords(error).title}. ${inWords(error).help}`}
                </p>
              )}
              {refused?.spec === written && errors.size > 0 && (
                <p class="small errors" role="alert">
                  Not opened: {plural(errors.size, 'field')} to correct.
                </p>
              )}
            </div>
            <button type="submit" class="button primary" disabled={opening || nowhere}>
              <Icon name="play" />
              {opening ? 'Opening, the dataset is indexed first' : 'Open run'}
            </button>
          </div>
        </section>
        <PreviewPanel preview={preview} nowhere={nowhere} />
        <SpecPanel spec={spec} />
      </div>
    </form>
  );
}

function Size({ preview: { samples, views, spec }, spec: written }: { preview: Preview; spec: Spec }) {
  const batch = Number(spec.global_batch_size ?? written.global_batch_size ?? 0);
  const bytes = views.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return (
    <>
      {plural(samples, 'sample')}, {plural(views.length, 'crop')} of each. A step of {formatCount(batch)} is{' '}
      {formatBytes(batch * bytes)} as uint8.
    </>
  );
}

interface RunFieldsProps {
  readonly known: Recipes;
  readonly datasets: readonly Dataset[];
  readonly draft: Draft;
  readonly errors: FieldErrors;
  readonly onChange: (part: Partial<Draft>) => void;
}

const SHUFFLES = [
  ['full', 'Full: any sample anywhere'],
  ['window', 'Window: neighbours stay near'],
  ['none', "None: the dataset's order"],
] as const;

function RunFields({ known, datasets, draft: now, errors, onChange }: RunFieldsProps) {
  const sources = sourcesOf(known.spec_schema);
  const chosen = known.recipes.find(({ name }) => name === now.recipe);
  const setRecipe = (name: string) => {
    const recipe = known.recipes.find((candidate) => candidate.name === name);
    if (recipe === undefined) return;
    const named = now.name.startsWith(now.recipe) ? freeName(name) : now.name;
    onChange({ recipe: name, name: named, views: knobsOf(viewsOf(recipe)) });
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

function PreviewPanel({
  preview,
  nowhere,
}: {
  preview: ReturnType<typeof useAnswer<Preview>>;
  nowhere: boolean;
}) {
  const { value, loading, error } = preview;
  return (
    <section class="panel preview" aria-labelledby="preview" aria-busy={loading}>
      <header>
        <h2 id="preview">
          Preview{' '}
          <span class="muted small">
            {loading && value !== null ? 'drawing' : 'what a trainer would get'}
          </span>
        </h2>
        <button
          type="button"
          class="button"
          disabled={value === null}
          onClick={() => {
            previewEpoch.value += 1;
          }}
        >
          <Icon name="dice" />
          Other images
        </button>
      </header>
      {nowhere ? (
        <Empty title="Name a dataset to see its crops">
          <p>Nothing is opened by looking.</p>
        </Empty>
      ) : value === null ? (
        error !== null && !loading ? (
          <Failed error={error} retry={preview.retry} />
        ) : (
          <Loading what="the preview" lines={5} />
        )
      ) : (
        <>
          {value.notices.length > 0 && (
            <ul class="body small muted">
              {value.notices.map((notice) => (
                <li key={notice}>{notice}</li>
              ))}
            </ul>
          )}
          <div class={loading || error !== null ? 'stale' : ''}>
            {value.rows.map((row) => (
              <SampleCard key={row.row} row={row} shapes={value.views} />
            ))}
          </div>
        </>
      )}
    </section>
  );
}

function SpecPanel({ spec }: { spec: Spec }) {
  const yaml = toYaml(spec);
  return (
    <section class="panel">
      <header>
        <h2 id="spec">
          Spec <span class="muted small">for a file, or cropstream serve --spec</span>
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
