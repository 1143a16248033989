import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from './program.js';

/** Every command line that a page shows, in code or in a block, without its comment. */
function linesOf(page: string): string[] {
  const text = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8');
  const inline = [...text.matchAll(/`cropstream (\w[^`]*)`/g)].map(([, line = '']) => line);
  const blocks = [...text.matchAll(/^cropstream (\w.*)$/gm)].map(([, line = '']) =>
    line.replace(/\s+#.*$/, ''),
  );
  return [...inline, ...blocks].filter((line) => !line.includes('<'));
}

/** The program with commands that do nothing: their flags are parsed all the same. */
function idle(): Command {
  const program = createProgram();
  for (const command of program.commands) command.action(() => {}).configureOutput({ writeErr: () => {} });
  return program;
}

test.each(['cli.md', 'seeds.md'])('every line of %s is one that the command understands', async (page) => {
  const lines = linesOf(page);
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) {
    await expect(idle().parseAsync(line.split(/\s+/), { from: 'user' }), line).resolves.toBeDefined();
  }
});

test('cli.md has a section for every command', () => {
  const text = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
  for (const command of createProgram().commands) expect(text).toContain(`\n## ${command.name()}\n`);
});
