import { errorAt, type FieldErrors } from '../form/errors.js';
import type { JitterKnobs, ViewKnobs } from '../form/transforms.js';
import { formatValue, plural } from '../format.js';
import { Segments } from '../parts/field.js';
import { Knob, RangeKnob } from '../parts/slider.js';

/** Views of a group that the sliders offer; the number beside takes more. */
const MOST_COUNT = 16;

interface ViewFormProps {
  readonly view: ViewKnobs;
  readonly errors: FieldErrors;
  readonly open: boolean;
  readonly onChange: (view: ViewKnobs) => void;
}

/** The sliders of one view, or of a group that is drawn alike. */
export function ViewForm({ view, errors, open, onChange }: ViewFormProps) {
  const { name, count, crop, flip, jitter, grayscale, blur, solarize } = view;
  const at = (field: string) => errorAt(errors, `views.${name}.${field}`);
  const set = (part: Partial<ViewKnobs>) => onChange({ ...view, ...part });
  const setJitter = (part: Partial<JitterKnobs>) => set({ jitter: { ...jitter, ...part } });
  const setCrop = (part: Partial<NonNullable<ViewKnobs['crop']>>) =>
    crop !== null && set({ crop: { ...crop, ...part } });
  const chance = { min: 0, max: 1, step: 0.05, of: name } as const;
  const chainError = at('transforms');
  return (
    <details open={open} data-view={name}>
      <summary>
        <h3>{name}</h3>
        <span class="small muted">{summaryOf(view)}</span>
      </summary>
      <div class="knobs">
        {count !== null && (
          <Knob
            label="Count"
            of={name}
            min={1}
            max={MOST_COUNT}
            step={1}
            value={count}
            error={at('count')}
            onChange={(value) => set({ count: value })}
          />
        )}
        {crop === null ? (
          <p class="small muted">Resized and cropped without chance: nothing to set.</p>
        ) : (
          <>
            <Knob
              label="Size"
              of={name}
              min={16}
              max={512}
              step={8}
              value={crop.size}
              error={at('size')}
              onChange={(size) => setCrop({ size })}
            />
            <RangeKnob
              label="Scale"
              of={name}
              min={0}
              max={1}
              step={0.01}
              value={crop.scale}
              error={at('scale')}
              onChange={(scale) => setCrop({ scale })}
            />
            <RangeKnob
              label="Ratio"
              of={name}
              min={0.25}
              max={4}
              step={0.05}
              value={crop.ratio}
              error={at('ratio')}
              onChange={(ratio) => setCrop({ ratio })}
            />
            <div class="knob">
              <span class="label" aria-hidden="true">
                Resize
              </span>
              <Segments
                label={`${name} interpolation`}
                value={crop.interpolation}
                options={[
                  ['bicubic', 'Bicubic'],
                  ['bilinear', 'Bilinear'],
                ]}
                onChange={(interpolation) => setCrop({ interpolation })}
              />
            </div>
          </>
        )}
        <fieldset class="knob-group">
          <legend class="hidden-visually">{name}: chances</legend>
          <p class="head" aria-hidden="true">
            Chance of
          </p>
          <Knob label="Flip" {...chance} value={flip} onChange={(p) => set({ flip: p })} />
          <Knob label="Jitter" {...chance} value={jitter.p} onChange={(p) => setJitter({ p })} />
          <Knob label="Grayscale" {...chance} value={grayscale} onChange={(p) => set({ grayscale: p })} />
          <Knob label="Blur" {...chance} value={blur.p} onChange={(p) => set({ blur: { ...blur, p } })} />
          <Knob
            label="Solarize"
            {...chance}
            value={solarize.p}
            onChange={(p) => set({ solarize: { ...solarize, p } })}
          />
        </fieldset>
        {jitter.p > 0 && (
          <fieldset class="knob-group">
            <legend class="hidden-visually">{name}: strength of the jitter</legend>
            <p class="head" aria-hidden="true">
              Jitter, how strong
            </p>
            {(['brightness', 'contrast', 'saturation'] as const).map((factor) => (
              <Knob
                key={factor}
                label={factor.charAt(0).toUpperCase() + factor.slice(1)}
                of={`${name} jitter`}
                min={0}
                max={1}
                step={0.05}
                value={jitter[factor]}
                onChange={(value) => setJitter({ [factor]: value })}
              />
            ))}
            <Knob
              label="Hue"
              of={`${name} jitter`}
              min={0}
              max={0.5}
              step={0.01}
              value={jitter.hue}
              onChange={(hue) => setJitter({ hue })}
            />
          </fieldset>
        )}
        {(blur.p > 0 || solarize.p > 0) && (
          <fieldset class="knob-group">
            <legend class="hidden-visually">{name}: blur and solarize</legend>
            <p class="head" aria-hidden="true">
              Blur and solarize
            </p>
            {blur.p > 0 && (
              <RangeKnob
                label="Sigma"
                of={`${name} blur`}
                min={0.1}
                max={5}
                step={0.1}
                value={blur.sigma}
                onChange={(sigma) => set({ blur: { ...blur, sigma } })}
              />
            )}
            {solarize.p > 0 && (
              <Knob
                label="Threshold"
                of={`${name} solarize`}
                min={0}
                max={256}
                step={1}
                value={solarize.threshold}
                onChange={(threshold) => set({ solarize: { ...solarize, threshold } })}
              />
            )}
          </fieldset>
        )}
        {chainError !== undefined && <p class="errors">{chainError}</p>}
      </div>
    </details>
  );
}

function summaryOf({ count, crop }: ViewKnobs): string {
  const views = count === null ? '' : `${plural(count, 'view')}, `;
  if (crop === null) return `${views}fixed geometry`;
  const [low, high] = crop.scale;
  return `${views}${formatValue(crop.size)} px, scale ${formatValue(low)} to ${formatValue(high)}`;
}
