import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { inWords } from '../api/problem.js';

interface ConfirmProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** What the button that does it says. */
  readonly action: string;
  readonly danger?: boolean;
  /** Does it; what it throws is shown, and the dialog stays. */
  readonly onConfirm: () => Promise<unknown>;
  /** The reader is done with the dialog, either way. */
  readonly onDone: () => void;
}

/** Asks before something is done that others notice. Escape, and the first button in focus, leave it undone. */
export function Confirm({ title, children, action, danger = false, onConfirm, onDone }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const confirm = async () => {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      dialog.current?.close();
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onDone}>
      <h2 id={heading}>{title}</h2>
      {children}
      {error !== null && (
        <p class="dialog-error" role="alert">
          {inWords(error).title}. {inWords(error).help}
        </p>
      )}
      <div class="actions">
        <button type="button" class="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button
          type="button"
          class={`button primary ${danger ? 'danger' : ''}`}
          disabled={busy}
          onClick={confirm}
        >
          {action}
        </button>
      </div>
    </dialog>
  );
}
