/** A view's colour on its box and on its crop. On photographs every box has a dark edge too. */
const COLORS = [
  '#ffb000',
  '#4fc3ff',
  '#ff6f91',
  '#7ee081',
  '#c9a6ff',
  '#ff8a3d',
  '#4be3d0',
  '#f5ed5a',
  '#ff9de2',
  '#9fb8ff',
  '#c6e36a',
  '#ffc9a3',
] as const;

export const colorOf = (view: number): string => COLORS[view % COLORS.length] ?? COLORS[0];

/** `g0` of global_0, `l3` of local_3: what has room beside a box. Other names: their number in the recipe. */
export function tagOf(name: string, view: number): string {
  const parts = /^([A-Za-z])[A-Za-z]*_(\d+)$/.exec(name);
  return parts === null ? `v${view}` : `${parts[1]?.toLowerCase()}${parts[2]}`;
}
