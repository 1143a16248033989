import { expect, test } from 'vitest';
import { History, MOST_LINES } from './timeline.js';

const rate = (key: string, value: number) => ({ key, label: `run ${key}`, rate: value });

test('keeps as much as it was told to, and nothing twice', () => {
  const history = new History(10);
  for (let at = 0; at <= 30; at++) history.add(at, [rate('a', at)]);
  history.add(30, [rate('a', 99)]);
  const { times, values } = history.timeline();
  expect(times).toEqual([20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30]);
  expect(values).toEqual([times]);
});

test('a line that was not there has a gap, and is forgotten when it has left the window', () => {
  const history = new History(3);
  history.add(1, [rate('a', 5)]);
  history.add(2, [rate('a', 6), rate('b', 1)]);
  history.add(3, [rate('b', 2)]);
  expect(history.timeline()).toMatchObject({
    lines: [
      { key: 'b', label: 'run b', now: 2 },
      { key: 'a', now: 0 },
    ],
    values: [
      [null, 1, 2],
      [5, 6, null],
    ],
  });
  history.add(6, [rate('b', 3)]);
  expect(history.timeline().lines.map(({ key }) => key)).toEqual(['b']);
});

test('a line keeps its colour while others come and go', () => {
  const history = new History(2);
  history.add(1, [rate('a', 1), rate('b', 9)]);
  const color = (key: string) => history.timeline().lines.find((line) => line.key === key)?.color;
  const first = color('b');
  history.add(2, [rate('b', 9)]);
  history.add(5, [rate('b', 9), rate('c', 10)]);
  expect(color('b')).toBe(first);
  expect(color('c')).not.toBe(first);
});

test('more lines than the eye tells apart are summed up', () => {
  const history = new History(10);
  const rates = Array.from({ length: 20 }, (_, i) => rate(String(i), i));
  history.add(1, rates);
  const { lines, values } = history.timeline();
  expect(lines).toHaveLength(MOST_LINES);
  expect(lines[0]).toMatchObject({ key: '19', now: 19 });
  expect(lines.at(-1)).toMatchObject({ label: '14 others' });
  expect(values.reduce((sum, [value]) => sum + (value ?? 0), 0)).toBe(190);
});
