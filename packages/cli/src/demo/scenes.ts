import type { Brush } from './random.js';

/** What a scene is drawn on: pixels. */
interface Canvas {
  readonly width: number;
  readonly height: number;
}

/** One class of demo images: draws the inside of an SVG. */
export type Scene = (brush: Brush, canvas: Canvas) => string;

const points = (list: readonly (readonly [number, number])[]) =>
  list.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');

function gradient(id: string, from: string, to: string, direction: 'down' | 'across' = 'down'): string {
  const end = direction === 'down' ? 'x2="0" y2="1"' : 'x2="1" y2="0"';
  return `<linearGradient id="${id}" x1="0" y1="0" ${end}><stop offset="0" stop-color="${from}"/><stop offset="1" stop-color="${to}"/></linearGradient>`;
}

const ball = (id: string, light: string, dark: string) =>
  `<radialGradient id="${id}" cx=".35" cy=".3" r=".75"><stop offset="0" stop-color="${light}"/><stop offset="1" stop-color="${dark}"/></radialGradient>`;

/** A line that wanders from the left edge to the right one, closed along the bottom. */
function ridge(brush: Brush, { width, height }: Canvas, base: number, rough: number): string {
  const steps = 14;
  const line: [number, number][] = [[0, height]];
  let y = base + brush.real(-rough, rough);
  for (let i = 0; i <= steps; i++) {
    line.push([(width * i) / steps, y]);
    y = Math.max(base - 2 * rough, Math.min(base + 2 * rough, y + brush.real(-rough, rough)));
  }
  return points([...line, [width, height]]);
}

/** Grain over a shape: grey fractal noise, `alpha` in [0, 1]; two frequencies stretch it into waves or planks. */
function grain(id: string, brush: Brush, frequency: string, alpha: number, octaves = 2): string {
  const seed = brush.whole(1, 9999);
  const grey = '3 0 0 0 -1 '.repeat(3);
  return `<filter id="${id}" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB"><feTurbulence type="fractalNoise" baseFrequency="${frequency}" numOctaves="${octaves}" seed="${seed}"/><feColorMatrix values="${grey}0 0 0 0 ${alpha}"/><feComposite in2="SourceGraphic" operator="in" result="n"/><feBlend in="n" in2="SourceGraphic" mode="overlay"/></filter>`;
}

const boats: Scene = (brush, canvas) => {
  const { width: w, height: h } = canvas;
  const horizon = h * brush.real(0.42, 0.6);
  const dusk = brush.chance(0.4);
  const sky = dusk
    ? [brush.colour(20, 80, 60), brush.colour(45, 85, 75)]
    : [brush.colour(208, 70, 55), brush.colour(200, 60, 86)];
  const parts = [
    `<defs>${gradient('sky', sky[0]!, sky[1]!)}${gradient('sea', brush.colour(200, 55, 45), brush.colour(212, 70, 20))}${grain('waves', brush, '.012 .11', 0.45)}${grain('air', brush, '.008 .02', 0.25)}</defs>`,
    `<rect width="${w}" height="${h}" fill="url(#sky)" filter="url(#air)"/>`,
    `<circle cx="${w * brush.real(0.1, 0.4)}" cy="${horizon * brush.real(0.2, 0.6)}" r="${w * 0.06}" fill="${brush.colour(48, 95, 85)}"/>`,
    `<polygon points="${ridge(brush, canvas, horizon - h * 0.03, h * 0.02)}" fill="${brush.colour(150, 25, 35)}"/>`,
    `<rect y="${horizon}" width="${w}" height="${h - horizon}" fill="url(#sea)" filter="url(#waves)"/>`,
  ];
  const boat = (x: number, y: number, s: number) => {
    const hull = brush.colour(brush.pick([0, 25, 210, 330]), 70, 38);
    const sail = brush.colour(brush.pick([10, 45, 190, 280]), 75, 62);
    parts.push(
      `<polygon points="${points([
        [x - 0.5 * s, y],
        [x + 0.62 * s, y - 0.05 * s],
        [x + 0.4 * s, y + 0.2 * s],
        [x - 0.38 * s, y + 0.2 * s],
      ])}" fill="${hull}"/>`,
      `<rect x="${x - 0.02 * s}" y="${y - 1.1 * s}" width="${0.035 * s}" height="${1.1 * s}" fill="#4a3525"/>`,
      `<polygon points="${points([
        [x + 0.05 * s, y - 1.05 * s],
        [x + 0.05 * s, y - 0.1 * s],
        [x + 0.6 * s, y - 0.12 * s],
      ])}" fill="${sail}"/>`,
      `<polygon points="${points([
        [x - 0.05 * s, y - 0.9 * s],
        [x - 0.05 * s, y - 0.12 * s],
        [x - 0.36 * s, y - 0.12 * s],
      ])}" fill="#f4efe2"/>`,
      `<text x="${x + 0.1 * s}" y="${y - 0.2 * s}" font-family="DejaVu Sans" font-weight="bold" font-size="${0.24 * s}" fill="#222">${brush.whole(2, 97)}</text>`,
    );
  };
  boat(w * brush.real(0.6, 0.85), horizon + h * 0.05, h * 0.13);
  boat(w * brush.real(0.25, 0.5), horizon + h * brush.real(0.16, 0.26), h * brush.real(0.3, 0.4));
  return parts.join('');
};

const houses: Scene = (brush, { width: w, height: h }) => {
  const ground = h * brush.real(0.72, 0.82);
  const parts = [
    `<defs>${gradient('sky', brush.colour(205, 65, 62), brush.colour(40, 60, 88))}${grain('brick', brush, '.05 .2', 0.35)}${grain('grass', brush, '.3 .06', 0.6)}${grain('leaf', brush, '.09', 0.65)}</defs>`,
    `<rect width="${w}" height="${h}" fill="url(#sky)"/>`,
    `<rect y="${ground}" width="${w}" height="${h - ground}" fill="${brush.colour(100, 45, 36)}" filter="url(#grass)"/>`,
  ];
  const count = brush.whole(2, 3);
  for (let i = 0; i < count; i++) {
    const width = (w / count) * brush.real(0.62, 0.8);
    const x = (w / count) * i + (w / count - width) * brush.real(0.2, 0.8);
    const top = h * brush.real(0.3, 0.48);
    const roof = brush.real(0.12, 0.2) * h;
    parts.push(
      `<rect x="${x}" y="${top}" width="${width}" height="${ground - top + 6}" fill="${brush.colour(brush.pick([8, 30, 50, 200, 340]), 50, 60)}" filter="url(#brick)"/>`,
      `<polygon points="${points([
        [x - 8, top],
        [x + width * brush.real(0.3, 0.7), top - roof],
        [x + width + 8, top],
      ])}" fill="${brush.colour(12, 45, 32)}"/>`,
    );
    const pane = width * 0.2;
    for (let row = 0; row < 2; row++) {
      for (let column = 0; column < 3; column++) {
        const px = x + width * (0.1 + 0.3 * column);
        const py = top + (ground - top) * (0.1 + 0.36 * row);
        const lit = brush.chance(0.35) ? brush.colour(48, 90, 70) : brush.colour(210, 35, 30);
        parts.push(
          `<rect x="${px}" y="${py}" width="${pane}" height="${pane * 1.15}" fill="${lit}" stroke="#f3eee4" stroke-width="3"/>`,
          `<path d="M${px + pane / 2} ${py}v${pane * 1.15}M${px} ${py + pane * 0.55}h${pane}" stroke="#f3eee4" stroke-width="2"/>`,
        );
      }
    }
    const door = x + width * brush.pick([0.12, 0.66]);
    parts.push(
      `<rect x="${door}" y="${ground - h * 0.13}" width="${width * 0.2}" height="${h * 0.13 + 5}" fill="${brush.colour(brush.pick([0, 120, 220]), 60, 26)}"/>`,
      `<text x="${door + width * 0.03}" y="${ground - h * 0.07}" font-family="DejaVu Sans" font-size="${width * 0.1}" fill="#ffe9a8">${brush.whole(1, 89)}</text>`,
    );
  }
  const tree = w * brush.real(0.02, 0.16);
  parts.push(
    `<rect x="${tree}" y="${ground - h * 0.22}" width="${w * 0.03}" height="${h * 0.26}" fill="#5b3d27"/>`,
    `<ellipse cx="${tree + w * 0.015}" cy="${ground - h * 0.3}" rx="${w * 0.1}" ry="${h * 0.16}" fill="${brush.colour(115, 50, 30)}" filter="url(#leaf)"/>`,
  );
  return parts.join('');
};

const mountains: Scene = (brush, canvas) => {
  const { width: w, height: h } = canvas;
  const hue = brush.pick([215, 255, 20, 185]);
  const parts = [
    `<defs>${gradient('sky', brush.colour(hue, 55, 52), brush.colour(hue + 25, 70, 85))}${grain('rock', brush, '.05 .12', 0.4, 3)}${grain('snow', brush, '.05', 0.3)}</defs>`,
    `<rect width="${w}" height="${h}" fill="url(#sky)"/>`,
    `<circle cx="${w * brush.real(0.62, 0.88)}" cy="${h * brush.real(0.1, 0.24)}" r="${w * brush.real(0.04, 0.09)}" fill="#fff6d8"/>`,
  ];
  const peakX = w * brush.real(0.22, 0.55);
  const peakY = h * brush.real(0.12, 0.26);
  const foot = h * 0.75;
  parts.push(
    `<polygon points="${points([
      [peakX - w * 0.46, foot],
      [peakX, peakY],
      [peakX + w * 0.56, foot],
    ])}" fill="${brush.colour(hue, 18, 38)}" filter="url(#rock)"/>`,
    `<polygon points="${points([
      [peakX, peakY],
      [peakX - w * 0.11, peakY + h * 0.14],
      [peakX - w * 0.03, peakY + h * 0.11],
      [peakX + w * 0.03, peakY + h * 0.17],
      [peakX + w * 0.15, peakY + h * 0.14],
    ])}" fill="#f6f8fb" filter="url(#snow)"/>`,
  );
  for (let layer = 0; layer < 3; layer++) {
    parts.push(
      `<polygon points="${ridge(brush, canvas, h * (0.62 + 0.1 * layer), h * 0.05)}" fill="${brush.colour(hue - 60 * layer, 28 + 8 * layer, 42 - 11 * layer)}" filter="url(#rock)"/>`,
    );
  }
  for (let i = 0; i < 9; i++) {
    const x = w * brush.real(0, 1);
    const y = h * brush.real(0.84, 0.98);
    const s = h * brush.real(0.06, 0.13);
    parts.push(
      `<polygon points="${points([
        [x - s * 0.35, y],
        [x, y - s * 1.4],
        [x + s * 0.35, y],
      ])}" fill="${brush.colour(140, 40, 17)}"/>`,
    );
  }
  return parts.join('');
};

const fruit: Scene = (brush, { width: w, height: h }) => {
  const table = h * brush.real(0.5, 0.62);
  const wall = brush.pick([35, 95, 200, 300]);
  const parts = [
    `<defs>${gradient('wall', brush.colour(wall, 30, 70), brush.colour(wall, 30, 45), 'across')}${gradient('wood', brush.colour(28, 50, 45), brush.colour(22, 55, 26))}${grain('plank', brush, '.004 .09', 0.8, 3)}${grain('skin', brush, '.08', 0.25)}</defs>`,
    `<rect width="${w}" height="${h}" fill="url(#wall)"/>`,
  ];
  for (let x = 0; x < w; x += w / 9) {
    parts.push(`<rect x="${x}" width="${w / 26}" height="${table}" fill="#fff" opacity=".18"/>`);
  }
  parts.push(
    `<rect y="${table}" width="${w}" height="${h - table}" fill="url(#wood)" filter="url(#plank)"/>`,
  );
  const count = brush.whole(4, 6);
  for (let i = 0; i < count; i++) {
    const r = h * brush.real(0.09, 0.17);
    const x = w * ((i + 0.5) / count) + brush.real(-0.04, 0.04) * w;
    const y = table + brush.real(0.0, 0.22) * h;
    const hue = brush.pick([2, 28, 50, 88, 285]);
    parts.push(
      `<defs>${ball(`f${i}`, brush.colour(hue, 90, 72), brush.colour(hue, 80, 28))}</defs>`,
      `<ellipse cx="${x + r * 0.35}" cy="${y + r * 0.88}" rx="${r * 1.1}" ry="${r * 0.22}" fill="#000" opacity=".35"/>`,
      `<ellipse cx="${x}" cy="${y}" rx="${r * brush.real(0.9, 1.1)}" ry="${r}" fill="url(#f${i})" filter="url(#skin)"/>`,
      `<path d="M${x} ${y - r * 0.9}q${r * 0.1} ${-r * 0.4} ${r * 0.35} ${-r * 0.5}" stroke="#4b3319" stroke-width="${r * 0.09}" fill="none"/>`,
      `<ellipse cx="${x + r * 0.5}" cy="${y - r * 1.2}" rx="${r * 0.3}" ry="${r * 0.13}" fill="${brush.colour(110, 55, 35)}" transform="rotate(-25 ${x + r * 0.5} ${y - r * 1.2})"/>`,
    );
  }
  return parts.join('');
};

const SIGNS = [
  'OPEN',
  'CAFE',
  'EXIT',
  'PARK',
  'TAXI',
  'BOOKS',
  'HOTEL',
  'R2D4',
  'GATE 7',
  'FRESH',
  'LEFT',
  'KEEP',
];

const signs: Scene = (brush, { width: w, height: h }) => {
  const parts = [
    `<defs>${gradient('wall', brush.colour(brush.pick([18, 40, 210]), 22, 62), brush.colour(220, 14, 34))}${grain('brick', brush, '.03 .12', 0.45, 3)}</defs>`,
    `<rect width="${w}" height="${h}" fill="url(#wall)" filter="url(#brick)"/>`,
  ];
  const brickHeight = h / 14;
  for (let row = 0; row < 14; row++) {
    const shift = row % 2 === 0 ? 0 : w / 14;
    const seams = Array.from(
      { length: 8 },
      (_, i) => `M${(i * w) / 7 + shift} ${row * brickHeight}v${brickHeight}`,
    );
    parts.push(
      `<path d="M0 ${row * brickHeight}h${w}${seams.join('')}" stroke="#000" opacity=".22" fill="none" stroke-width="2"/>`,
    );
  }
  const count = brush.whole(2, 3);
  for (let i = 0; i < count; i++) {
    const word = brush.pick(SIGNS);
    const width = w * brush.real(0.5, 0.72);
    const height = (h / count) * 0.62;
    const x = brush.real(0.04, 0.96) * (w - width);
    const y = (h / count) * i + (h / count) * 0.18;
    const hue = brush.pick([0, 48, 130, 215, 275]);
    const size = Math.min(height * 0.62, (width * 1.2) / word.length);
    const tilt = brush.real(-7, 7);
    parts.push(
      `<g transform="rotate(${tilt} ${x + width / 2} ${y + height / 2})"><rect x="${x + 6}" y="${y + 8}" width="${width}" height="${height}" rx="12" fill="#000" opacity=".35"/><rect x="${x}" y="${y}" width="${width}" height="${height}" rx="12" fill="${brush.colour(hue, 75, 42)}" stroke="#fbf7ec" stroke-width="5"/><text x="${x + width / 2}" y="${y + height / 2 + size * 0.36}" text-anchor="middle" font-family="${brush.pick(['DejaVu Sans', 'DejaVu Serif'])}" font-weight="bold" font-size="${size}" fill="#fffbe9">${word}</text></g>`,
    );
  }
  return parts.join('');
};

const fish: Scene = (brush, canvas) => {
  const { width: w, height: h } = canvas;
  const parts = [
    `<defs>${gradient('deep', brush.colour(185, 65, 56), brush.colour(218, 75, 16))}${grain('water', brush, '.01 .04', 0.4)}${grain('sand', brush, '.25', 0.65)}</defs>`,
    `<rect width="${w}" height="${h}" fill="url(#deep)" filter="url(#water)"/>`,
  ];
  for (let i = 0; i < 3; i++) {
    const x = w * brush.real(0, 0.9);
    parts.push(
      `<polygon points="${points([
        [x, 0],
        [x + w * 0.08, 0],
        [x + w * 0.3, h],
        [x + w * 0.06, h],
      ])}" fill="#fff" opacity=".1"/>`,
    );
  }
  parts.push(
    `<polygon points="${ridge(brush, canvas, h * 0.88, h * 0.03)}" fill="${brush.colour(42, 50, 62)}" filter="url(#sand)"/>`,
  );
  for (let i = 0; i < 5; i++) {
    const x = w * brush.real(0, 1);
    const top = h * brush.real(0.45, 0.75);
    const bend = w * brush.real(-0.08, 0.08);
    parts.push(
      `<path d="M${x} ${h}C${x + bend} ${h * 0.9} ${x - bend} ${top + h * 0.1} ${x + bend} ${top}" stroke="${brush.colour(130, 55, 28)}" stroke-width="${w * 0.02}" fill="none" stroke-linecap="round"/>`,
    );
  }
  const count = brush.whole(3, 6);
  for (let i = 0; i < count; i++) {
    const s = w * brush.real(0.08, 0.2);
    const x = w * brush.real(0.15, 0.85);
    const y = h * ((i + 0.6) / (count + 1)) + h * brush.real(-0.04, 0.04);
    const hue = brush.pick([8, 32, 52, 300, 170]);
    const body = brush.colour(hue, 85, 58);
    const stripe = brush.colour(hue + 180, 60, 88);
    // They all swim to the left, so that a flip shows.
    parts.push(
      `<polygon points="${points([
        [x + s * 0.8, y],
        [x + s * 1.35, y - s * 0.45],
        [x + s * 1.2, y],
        [x + s * 1.35, y + s * 0.45],
      ])}" fill="${body}"/>`,
      `<ellipse cx="${x}" cy="${y}" rx="${s}" ry="${s * 0.55}" fill="${body}"/>`,
      `<path d="M${x - s * 0.15} ${y - s * 0.53}q${s * 0.2} ${s * 0.53} 0 ${s * 1.06}M${x + s * 0.35} ${y - s * 0.5}q${s * 0.16} ${s * 0.5} 0 ${s}" stroke="${stripe}" stroke-width="${s * 0.14}" fill="none"/>`,
      `<polygon points="${points([
        [x - s * 0.1, y - s * 0.5],
        [x + s * 0.3, y - s * 0.85],
        [x + s * 0.4, y - s * 0.45],
      ])}" fill="${body}"/>`,
      `<circle cx="${x - s * 0.6}" cy="${y - s * 0.12}" r="${s * 0.12}" fill="#fff"/><circle cx="${x - s * 0.63}" cy="${y - s * 0.12}" r="${s * 0.06}" fill="#111"/>`,
    );
  }
  return parts.join('');
};

/** Class folder to scene. */
export const SCENES: Readonly<Record<string, Scene>> = { boats, fish, fruit, houses, mountains, signs };
