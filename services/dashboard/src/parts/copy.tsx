import { useEffect, useState } from 'preact/hooks';
import { Icon } from './icons.js';

const SHOWN_MS = 1_600;

/** Copies a text, and says so for a moment. `what` names it: "Copy the digest". */
export function CopyButton({ text, what, label }: { text: string; what: string; label?: string }) {
  const [said, setSaid] = useState<'copied' | 'failed' | null>(null);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => setSaid(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await copyText(text);
      setSaid('copied');
    } catch {
      setSaid('failed');
    }
  };
  const words = said === 'copied' ? 'Copied' : said === 'failed' ? 'Not copied' : label;
  return (
    <button
      type="button"
      class={label === undefined ? 'button quiet icon copy' : 'button copy'}
      aria-label={label === undefined ? `Copy ${what}` : undefined}
      onClick={copy}
    >
      <Icon name={said === 'copied' ? 'check' : 'copy'} />
      {label !== undefined && words}
      <span class="hidden-visually" role="status">
        {said !== null && `${words}: ${what}`}
      </span>
    </button>
  );
}

/** Over plain HTTP from another host there is no clipboard API: then by a selection. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('the browser copied nothing');
}
