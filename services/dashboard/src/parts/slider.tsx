import { useId } from 'preact/hooks';
import { formatValue } from '../format.js';

interface Bounds {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly error?: string | undefined;
}

interface KnobProps extends Bounds {
  readonly value: number;
  readonly onChange: (value: number) => void;
  /** What screen readers say before the label: which view this is of. */
  readonly of: string;
}

/** A number by a slider, and beside it the number itself, which may lie beyond the slider's ends. */
export function Knob({ label, of, min, max, step, value, error, onChange }: KnobProps) {
  const id = useId();
  const named = `${of} ${label.toLowerCase()}`;
  const common = { 'aria-invalid': error !== undefined, 'aria-describedby': error && `${id}-error` };
  return (
    <div class={`knob ${value === 0 ? 'off' : ''}`}>
      <span class="label" aria-hidden="true">
        {label}
      </span>
      <Track min={min} max={max} from={min} to={value}>
        <input
          type="range"
          aria-label={named}
          {...{ min, max, step, value }}
          {...common}
          onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
        />
      </Track>
      <span class="values">
        <NumberInput label={`${named}, number`} {...{ value, step, common, onChange }} />
      </span>
      <ErrorLine id={id} error={error} />
    </div>
  );
}

interface RangeKnobProps extends Bounds {
  readonly value: readonly [number, number];
  readonly onChange: (value: readonly [number, number]) => void;
  readonly of: string;
}

/** A range [low, high] by a slider with two ends; neither passes the other. */
export function RangeKnob({
  label,
  of,
  min,
  max,
  step,
  value: [low, high],
  error,
  onChange,
}: RangeKnobProps) {
  const id = useId();
  const named = `${of} ${label.toLowerCase()}`;
  const common = { 'aria-invalid': error !== undefined, 'aria-describedby': error && `${id}-error` };
  const setLow = (value: number) => onChange([Math.min(value, high), high]);
  const setHigh = (value: number) => onChange([low, Math.max(value, low)]);
  return (
    <div class="knob">
      <span class="label" aria-hidden="true">
        {label}
      </span>
      <Track min={min} max={max} from={low} to={high}>
        <input
          type="range"
          aria-label={`${named}, least`}
          {...{ min, max, step }}
          value={low}
          {...common}
          onInput={(event) => {
            setLow(event.currentTarget.valueAsNumber);
            event.currentTarget.valueAsNumber = Math.min(event.currentTarget.valueAsNumber, high);
          }}
        />
        <input
          type="range"
          aria-label={`${named}, most`}
          {...{ min, max, step }}
          value={high}
          {...common}
          onInput={(event) => {
            setHigh(event.currentTarget.valueAsNumber);
            event.currentTarget.valueAsNumber = Math.max(event.currentTarget.valueAsNumber, low);
          }}
        />
      </Track>
      <span class="values">
        <NumberInput label={`${named}, least, number`} value={low} {...{ step, common }} onChange={setLow} />
        <span class="muted" aria-hidden="true">
          –
        </span>
        <NumberInput label={`${named}, most, number`} value={high} {...{ step, common }} onChange={setHigh} />
      </span>
      <ErrorLine id={id} error={error} />
    </div>
  );
}

function Track(props: {
  readonly min: number;
  readonly max: number;
  readonly from: number;
  readonly to: number;
  readonly children: preact.ComponentChildren;
}) {
  const { min, max, from, to, children } = props;
  const at = (value: number) => Math.min(100, Math.max(0, ((value - min) / (max - min)) * 100));
  // A thumb's centre stays within the track by half its width.
  const place = (value: number) => `calc(8px + ${at(value) / 100} * (100% - 16px))`;
  return (
    <span class="slider">
      <span class="track" />
      <span
        class="fill"
        style={{ left: from === min ? '0' : place(from), right: `calc(100% - ${place(to)})` }}
      />
      {children}
    </span>
  );
}

interface NumberInputProps {
  readonly label: string;
  readonly value: number;
  readonly step: number;
  readonly common: object;
  readonly onChange: (value: number) => void;
}

/** What is no number (yet) changes nothing, and is put right when the reader leaves it. */
function NumberInput({ label, value, step, common, onChange }: NumberInputProps) {
  return (
    <input
      type="number"
      aria-label={label}
      step={step}
      value={formatValue(value)}
      {...common}
      onChange={(event) => {
        const given = event.currentTarget.valueAsNumber;
        if (Number.isFinite(given)) onChange(given);
        event.currentTarget.value = formatValue(Number.isFinite(given) ? given : value);
      }}
    />
  );
}

function ErrorLine({ id, error }: { id: string; error: string | undefined }) {
  return error === undefined ? null : (
    <span class="error" id={`${id}-error`}>
      {error}
    </span>
  );
}
