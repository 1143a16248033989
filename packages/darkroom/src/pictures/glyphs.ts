import { readFileSync } from 'node:fs';

/** First and last code point of a run that a font has glyphs for. */
type Run = readonly [first: number, last: number];

/**
 * The code points that a TrueType font draws, by its `cmap` table's format 12 (OpenType specification, "cmap"):
 * what it lacks would come out as empty boxes.
 */
function readCoverage(file: string): Run[] {
  const font = readFileSync(file);
  for (let i = 0; i < font.readUInt16BE(4); i++) {
    const record = 12 + 16 * i;
    if (font.toString('latin1', record, record + 4) !== 'cmap') continue;
    const cmap = font.readUInt32BE(record + 8);
    for (let j = 0; j < font.readUInt16BE(cmap + 2); j++) {
      const table = cmap + font.readUInt32BE(cmap + 4 + 8 * j + 4);
      if (font.readUInt16BE(table) !== 12) continue;
      return Array.from({ length: font.readUInt32BE(table + 12) }, (_, group): Run => {
        const at = table + 16 + 12 * group;
        return [font.readUInt32BE(at), font.readUInt32BE(at + 4)];
      });
    }
  }
  return [];
}

/** Makes texts drawable: a character that one of the fonts lacks is written by its code point, such as \u65e5. */
export function drawableWith(files: readonly string[]): (text: string) => string {
  let coverage: Run[][] | undefined;
  const drawn = (code: number) => {
    if (code >= 0x20 && code < 0x7f) return true;
    coverage ??= files.map(readCoverage);
    return coverage.every((runs) => runs.some(([first, last]) => code >= first && code <= last));
  };
  return (text) =>
    Array.from(text, (character) => {
      const code = character.codePointAt(0) ?? 0;
      if (drawn(code)) return character;
      const hex = code.toString(16);
      return code > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
    }).join('');
}
