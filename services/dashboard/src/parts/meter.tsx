/** A share as a bar, beside the words for it. */
export function Meter({ share, tone }: { share: number; tone?: 'warn' }) {
  const width = `${Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10}%`;
  return (
    <span class={`meter ${tone ?? ''}`} aria-hidden="true">
      <i style={{ width }} />
    </span>
  );
}
