import type { Dataset, OpenedRun, Page, Preview, PreviewRequest, Recipe, Recipes } from '@cropstream/api';
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { callJson } from '../api/http.js';
import { inWords, Problem } from '../api/problem.js';
import { fieldErrors } from '../form/errors.js';
import { type Draft, type Spec, specOf } from '../form/spec.js';
import { knobsOf, type RecipeView, type ViewKnobs } from '../form/transforms.js';
import { formatBytes, formatCount, plural } from '../format.js';
import { Icon } from '../parts/icons.js';
import { SpecPanel } from '../parts/spec-panel.js';
import { Failed, Loading } from '../parts/states.js';
import { useAnswer } from '../parts/use-answer.js';
import { go } from '../router.js';
import { FLEET, runHash } from '../routes.js';
import { fleet, ownerBeside } from '../state/live.js';
import { PreviewPanel } from './compose-preview.js';
import { RunFields } from './compose-run.js';
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
        <RunFields
          {...{ known, datasets, errors }}
          draft={now}
          onChange={change}
          onRecipe={(other) => {
            const own = !now.name.startsWith(now.recipe);
            const name = own ? now.name : freeName(other.name);
            change({ recipe: other.name, name, views: knobsOf(viewsOf(other)) });
          }}
        />
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
        <PreviewPanel
          {...{ preview, nowhere }}
          onOthers={() => {
            previewEpoch.value += 1;
          }}
        />
        <SpecPanel spec={spec} note="for a file, or cropstream serve --spec" />
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
