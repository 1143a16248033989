import { expect, test } from 'vitest';
import { drawable, fitText } from './svg.js';

test('characters without a glyph are written by their code points', () => {
  expect(drawable('日本.jpg')).toBe('\\u65e5\\u672c.jpg');
  expect(drawable('🦊 \u0001')).toBe('\\u{1f98a} \\u0001');
  for (const text of ['boats-00.jpg', 'Größe ×2 … “é”', 'Привет', 'αβγ']) expect(drawable(text)).toBe(text);
  expect(drawable(drawable('日本'))).toBe(drawable('日本'));
});

test('what is cut is cut as it is drawn', () => {
  expect(fitText('日'.repeat(40), 100, { size: 11 })).toMatch(/^[\\u0-9a-f]+…[\\u0-9a-f]+$/);
});
