import type { MadeView, Row, ViewShape } from '@cropstream/api';
import { useId, useState } from 'preact/hooks';
import { colorOf, tagOf } from './palette.js';
import { tell } from './parameters.js';

interface SampleCardProps {
  readonly row: Row;
  readonly shapes: readonly ViewShape[];
}

/** Sides on the screen: of a recipe's largest views, and of smaller ones. No view is shown larger than it is. */
const SHOWN_SIDE = { large: 148, small: 82 } as const;

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
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys are of the buttons within */}
      <div class="crops" onKeyDown={onKeyDown} onPointerLeave={() => setPointed(null)}>
        {runsOfOneSize(shapes).map(({ first, end, side }) => (
          <ul key={first} aria-label={`Crops of sample ${row.index}`}>
            {row.views.slice(first, end).map((made, offset) => {
              const index = first + offset;
              return (
                <li key={made.name}>
                  <button
                    type="button"
                    class="crop"
                    data-view={made.name}
                    aria-pressed={chosen === index}
                    style={{ '--box': colorOf(index) }}
                    onPointerEnter={() => setPointed(index)}
                    onFocus={() => setPointed(index)}
                    onBlur={() => setPointed(null)}
                    onClick={() => select(index)}
                  >
                    <CropPicture picture={pictures?.views[index]} shape={shapes[index]} side={side} />
                    <span class="tag">{tagOf(made.name, index)}</span>
                    <span class="hidden-visually"> {labelOf(made)}</span>
                  </button>
                </li>
              );
            })}
          </ul>
        ))}
      </div>
      <Parameters row={row} view={view} color={shown === null ? undefined : colorOf(shown)} />
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

/** Consecutive views of one size stand in a row of their own: [first, end), and the side that they are shown with. */
function runsOfOneSize(shapes: readonly ViewShape[]): { first: number; end: number; side: number }[] {
  const sides = shapes.map((shape) => Math.max(...sidesOf(shape)));
  const largest = Math.max(...sides);
  const runs: { first: number; end: number; side: number }[] = [];
  for (const [index, side] of sides.entries()) {
    const last = runs.at(-1);
    if (last !== undefined && sides[last.first] === side) last.end = index + 1;
    else {
      const most = side === largest ? SHOWN_SIDE.large : SHOWN_SIDE.small;
      runs.push({ first: index, end: index + 1, side: Math.min(side, most) });
    }
  }
  return runs;
}

interface CropPictureProps {
  readonly picture: string | undefined;
  readonly shape: ViewShape | undefined;
  /** Of its longer side on the screen, in pixels. */
  readonly side: number;
}

function CropPicture({ picture, shape, side }: CropPictureProps) {
  const [width, height] = shape === undefined ? [side, side] : sidesOf(shape);
  const scale = side / Math.max(width, height);
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

interface ParametersProps {
  readonly row: Row;
  /** Undefined: none is pointed at. */
  readonly view: MadeView | undefined;
  readonly color: string | undefined;
}

function Parameters({ row, view, color }: ParametersProps) {
  const { source, views } = row;
  const told =
    view === undefined
      ? [
          { name: 'Source', value: `${source.width} × ${source.height}`, applied: true },
          { name: 'Crops', value: `${views.length}, from one decoding`, applied: true },
        ]
      : tell(view.params);
  return (
    <div class="parameters">
      {view !== undefined && (
        <p class="head">
          <i style={{ background: color }} aria-hidden="true" />
          {view.name}
        </p>
      )}
      <dl>
        {told.map(({ name, value, applied }) => (
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
