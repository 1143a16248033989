import type { Command } from 'commander';
import { given } from '../flags.js';
import { Output } from '../output.js';

interface TokenOptions {
  readonly name: string;
  readonly role: string;
  readonly owner?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('token')
    .summary('a new token, and its entry in CROPSTREAM_TOKENS_FILE')
    .description(
      'Makes a token, for whom it is for, and its entry for CROPSTREAM_TOKENS_FILE, which has its SHA-256 alone.\nThe token is shown this once. docs/security.md says what each role may do.',
    )
    .requiredOption('--name <name>', 'what logs call it', given)
    .requiredOption('--role <role>', 'trainer, operator or service', given)
    .option('--owner <name>', 'whose runs it works with (default: an operator: of every owner)', given)
    .option('--json', 'print one JSON object')
    .action(token);
}

async function token(options: TokenOptions): Promise<void> {
  const { newToken } = await import('@cropstream/runtime');
  const output = new Output(options);
  const { token: made, entry, yaml } = newToken(options);
  if (options.json) return output.json({ token: made, entry });
  output.line(`token      ${made}`);
  output.line('entry, under `tokens` of CROPSTREAM_TOKENS_FILE:');
  output.line(yaml.trimEnd());
}
