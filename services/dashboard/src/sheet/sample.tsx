import type { MadeView, Row, ViewShape } from '@cropstream/api';
import { useId, useState } from 'preact/hooks';
import { plural } from '../format.js';
import { colorOf, tagOf } from './palette.js';
import { tell } from './parameters.js';

interface SampleCardProps {
  readonly row: Row;
  readonly shapes: readonly ViewShape[];
}

/** Beyond this, a view is shown smaller than it is. */
const MOST_SIDE = 150;

/**
 * One sample: its source with each crop's box drawn on it, the crops, and how the one that is pointed at was made. A
 * crop that was clicked stays chosen, so that a hand is free.
 */
export function SampleCard({ row, shapes }: SampleCardProps) {
  const [pointed, setPointed] = useState<number | null>(null);
  const [chosen, setChosen] = useState<number | null>(null);
  const heading = useId();
  const shown = pointed ?? chosen;
  const view = shown === null ? undefined : row.views[shown];
  const { source, pictures } = row;
  const select = (index: number) => setChosen(chosen === index ? null : index);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') setChosen(null);
    else moveFocus(event);
  };
  return (
    <article class="sample" aria-labelledby={heading}>
      <header>
        <h3 id={heading}>
          <span class="muted">Row {row.row}</span> Sample {row.index}
        </h3>
        <p class="small muted path" title={row.path}>
          {row.class_name !== null && <b>{row.class_name}</b>} {row.path}
        </p>
        {row.substituted !== null && (
          <p class="small substituted">
            Stands in for sample {row.substituted.index}, {row.substituted.path}: {row.substituted.reason}
          </p>
        )}
      </header>
      <div class="source">
        <div class="picture">
          {pictures === null ? (
            <span class="skeleton" style={{ aspectRatio: `${source.width} / ${source.height}` }} />
          ) : (
            <img
              src={pictures.source}
              width={source.width}
              height={source.height}
              alt={`Source: ${row.path}, ${source.width} by ${source.height} pixels`}
            />
          )}
          <Boxes row={row} shown={shown} onPoint={setPointed} onSelect={select} />
        </div>
      </div>
      <ul
        class="crops"
        aria-label={`${plural(row.views.length, 'crop')} of sample ${row.index}`}
        onKeyDown={onKeyDown}
        onPointerLeave={() => setPointed(null)}
      >
        {row.views.map((made, index) => (
          <li key={made.name}>
            <button
              type="button"
              class="crop"
              data-view={made.name}
              aria-pressed={chosen === index}
              aria-label={labelOf(made)}
              style={{ '--box': colorOf(index) }}
              onPointerEnter={() => setPointed(index)}
              onFocus={() => setPointed(index)}
              onBlur={() => setPointed(null)}
              onClick={() => select(index)}
            >
              <CropPicture picture={pictures?.views[index]} shape={shapes[index]} />
              <span class="tag">{tagOf(made.name, index)}</span>
            </button>
          </li>
        ))}
      </ul>
      <Parameters view={view} color={shown === null ? undefined : colorOf(shown)} />
    </article>
  );
}

const labelOf = ({ name, params }: MadeView): string =>
  `${name}: ${tell(params)
    .filter(({ applied }) => applied)
    .map(({ name: what, value }) => `${what.toLowerCase()} ${value}`)
    .join('; ')}`;

/** [width, height] of a view's pixels, whichever layout its tensor has. */
export function sidesOf({ shape }: ViewShape): readonly [number, number] {
  const [a = 1, b = 1, c = 1] = shape;
  return a === 3 ? [c, b] : [b, a];
}

function CropPicture({ picture, shape }: { picture: string | undefined; shape: ViewShape | undefined }) {
  const [width, height] = shape === undefined ? [96, 96] : sidesOf(shape);
  const scale = Math.min(1, MOST_SIDE / Math.max(width, height));
  const style = { width: `${Math.round(width * scale)}px`, height: `${Math.round(height * scale)}px` };
  return picture === undefined ? (
    <span class="skeleton" style={style} />
  ) : (
    <img src={picture} width={width} height={height} style={style} alt="" />
  );
}

interface BoxesProps {
  readonly row: Row;
  readonly shown: number | null;
  readonly onPoint: (view: number | null) => void;
  readonly onSelect: (view: number) => void;
}

/** Every crop's box in the source's own pixels; the larger ones below, so that each can be pointed at. */
function Boxes({ row, shown, onPoint, onSelect }: BoxesProps) {
  const { width, height } = row.source;
  const unit = Math.max(width, height) / 320;
  const drawn = row.views
    .flatMap(({ name, box }, index) => (box === null ? [] : [{ name, box, index }]))
    .sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
  const top = drawn.find(({ index }) => index === shown);
  return (
    <svg
      class={`boxes ${shown === null ? '' : 'one'}`}
      viewBox={`0 0 ${width} ${height}`}
      aria-hidden="true"
      onPointerLeave={() => onPoint(null)}
    >
      {(top === undefined ? drawn : [...drawn.filter((box) => box !== top), top]).map(
        ({ name, box, index }) => {
          const [x, y, w, h] = box;
          const size = 13 * unit;
          const tag = tagOf(name, index);
          const wide = (tag.length * 0.62 + 0.5) * size;
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: by keys the crop itself is reached, which does the same
            <g
              key={name}
              data-view={name}
              data-box={box.join(' ')}
              class={index === shown ? 'shown' : ''}
              onPointerEnter={() => onPoint(index)}
              onClick={() => onSelect(index)}
            >
              <rect class="edge" x={x} y={y} width={w} height={h} stroke-width={4 * unit} />
              <rect
                class="line"
                x={x}
                y={y}
                width={w}
                height={h}
                stroke={colorOf(index)}
                stroke-width={1.8 * unit}
              />
              <rect x={x} y={y} width={wide} height={size * 1.25} fill={colorOf(index)} />
              <text x={x + wide / 2} y={y + size * 0.98} font-size={size} text-anchor="middle">
                {tag}
              </text>
            </g>
          );
        },
      )}
    </svg>
  );
}

function Parameters({ view, color }: { view: MadeView | undefined; color: string | undefined }) {
  if (view === undefined) {
    return (
      <div class="parameters muted small">
        <p>Point at a crop, or reach it by Tab and the arrow keys, to see its box and how it was made.</p>
      </div>
    );
  }
  return (
    <div class="parameters">
      <h4>
        <i style={{ background: color }} aria-hidden="true" />
        {view.name}
      </h4>
      <dl>
        {tell(view.params).map(({ name, value, applied }) => (
          <div key={name} class={applied ? '' : 'muted'}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** Arrow keys, Home and End go from crop to crop. */
function moveFocus(event: KeyboardEvent): void {
  const { currentTarget, target } = event;
  if (!(currentTarget instanceof HTMLElement) || !(target instanceof HTMLElement)) return;
  const crops = [...currentTarget.querySelectorAll<HTMLElement>('button.crop')];
  const at = crops.indexOf(target);
  if (at < 0) return;
  const goals: Readonly<Record<string, number>> = {
    ArrowRight: at + 1,
    ArrowDown: at + 1,
    ArrowLeft: at - 1,
    ArrowUp: at - 1,
    Home: 0,
    End: crops.length - 1,
  };
  const goal = goals[event.key];
  if (goal === undefined) return;
  event.preventDefault();
  crops[Math.min(crops.length - 1, Math.max(0, goal))]?.focus();
}
