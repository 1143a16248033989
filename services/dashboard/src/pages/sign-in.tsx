import { useRef, useState } from 'preact/hooks';
import { inWords } from '../api/problem.js';
import { Field } from '../parts/field.js';
import { forget } from '../state/live.js';
import { admission, refusal, signIn } from '../state/session.js';

/** Where the service wants a token. */
export function SignIn() {
  const input = useRef<HTMLInputElement>(null);
  const [missing, setMissing] = useState(false);
  const refused = admission.value === 'refused';
  const error = missing ? 'Paste a token first.' : refused ? inWords(refusal.value).title : undefined;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const given = input.current?.value.trim() ?? '';
    setMissing(given === '');
    if (given === '') return input.current?.focus();
    forget();
    signIn(given);
  };
  return (
    <section class="panel sign-in" aria-labelledby="sign-in">
      <div class="body">
        <h1 id="sign-in">Sign in</h1>
        <p class="muted">This service is protected: it wants a token of every reader.</p>
        <form onSubmit={submit} noValidate>
          <Field
            label="Token"
            error={error}
            hint={
              <>
                Kept in this tab until it is closed. Whoever runs the service makes one with{' '}
                <code>cropstream token</code>.
              </>
            }
          >
            {(control) => (
              <input
                {...control}
                ref={input}
                type="password"
                autocomplete="off"
                spellcheck={false}
                autofocus
              />
            )}
          </Field>
          {refused && !missing && (
            <p class="hidden-visually" role="alert">
              {error}
            </p>
          )}
          <button type="submit" class="button primary">
            Sign in
          </button>
        </form>
      </div>
    </section>
  );
}
