import { useEffect, useRef } from 'preact/hooks';
import { inWords, Problem } from './api/problem.js';
import { formatClock } from './format.js';
import { ComposePage } from './pages/compose.js';
import { FleetPage } from './pages/fleet.js';
import { RunPage } from './pages/run.js';
import { SignIn } from './pages/sign-in.js';
import { WorkersPage } from './pages/workers.js';
import { Badge } from './parts/badge.js';
import { Icon, Logo } from './parts/icons.js';
import { Empty } from './parts/states.js';
import { route } from './router.js';
import { COMPOSE, FLEET, type Route, WORKERS } from './routes.js';
import { connection, fleet, forget, retryNow } from './state/live.js';
import { admission, signOut, token } from './state/session.js';
import { nextTheme, theme } from './theme.js';

export function App() {
  const main = useRef<HTMLElement>(null);
  const { value: at } = route;
  const place = at.page === 'run' ? `run ${at.name}` : at.page;
  const first = useRef(true);
  // A new page is read from its beginning, by screen readers too.
  useEffect(() => {
    document.title = `${titleOf(at)} · Cropstream`;
    if (first.current) {
      first.current = false;
      return;
    }
    main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [place]);
  const shutOut = admission.value === 'wanted' || admission.value === 'refused';
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <Top shutOut={shutOut} />
      <main id="main" ref={main} tabIndex={-1}>
        {shutOut ? (
          <SignIn />
        ) : (
          <>
            <Lost />
            <Unprotected />
            <Page at={at} />
          </>
        )}
      </main>
    </>
  );
}

function titleOf(at: Route): string {
  switch (at.page) {
    case 'fleet':
      return 'Fleet';
    case 'run':
      return at.name;
    case 'workers':
      return 'Workers';
    case 'compose':
      return 'New run';
    case 'unknown':
      return 'Not found';
  }
}

function Page({ at }: { at: Route }) {
  switch (at.page) {
    case 'fleet':
      return <FleetPage />;
    case 'run':
      return <RunPage key={`${at.owner} ${at.name}`} {...at} />;
    case 'workers':
      return <WorkersPage />;
    case 'compose':
      return <ComposePage />;
    case 'unknown':
      return (
        <Empty page title="There is no page of that address">
          <p>
            Runs and workers are reached from the <a href={FLEET}>fleet</a>.
          </p>
        </Empty>
      );
  }
}

function Top({ shutOut }: { shutOut: boolean }) {
  const { page } = route.value;
  const here = (...pages: Route['page'][]) => (pages.includes(page) ? ('page' as const) : undefined);
  const principal = fleet.value?.status.principal;
  return (
    <header class="top">
      <a class="brand" href={FLEET}>
        <Logo />
        Cropstream
      </a>
      {!shutOut && (
        <nav aria-label="Pages">
          <ul>
            <li>
              <a href={FLEET} aria-current={here('fleet', 'run')}>
                Fleet
              </a>
            </li>
            <li>
              <a href={WORKERS} aria-current={here('workers')}>
                Workers
              </a>
            </li>
            <li>
              <a href={COMPOSE} aria-current={here('compose')}>
                New run
              </a>
            </li>
          </ul>
        </nav>
      )}
      <div class="tools">
        {!shutOut && <Liveness />}
        {token.value !== null && principal !== undefined && (
          <span class="who" title={`token ${principal.name}, owner ${principal.owner}`}>
            {principal.name}, {principal.role}
          </span>
        )}
        <ThemeButton />
        {token.value !== null && !shutOut && (
          <button
            type="button"
            class="button quiet icon"
            aria-label="Sign out"
            title="Sign out"
            onClick={() => {
              signOut();
              forget();
            }}
          >
            <Icon name="leave" />
          </button>
        )}
      </div>
    </header>
  );
}

const THEMES = {
  system: ['system', 'as the system'],
  light: ['sun', 'light'],
  dark: ['moon', 'dark'],
} as const;

function ThemeButton() {
  const [icon, name] = THEMES[theme.value];
  return (
    <button
      type="button"
      class="button quiet icon"
      aria-label={`Colours: ${name}. Change`}
      title={`Colours: ${name}`}
      onClick={nextTheme}
    >
      <Icon name={icon} />
    </button>
  );
}

/** Whether what is shown is of now. The one place that speaks up by itself. */
function Liveness() {
  const { state } = connection.value;
  return (
    <span role="status">
      {state === 'live' && <Badge tone="good">Live</Badge>}
      {state === 'connecting' && <Badge>Connecting</Badge>}
      {state === 'lost' && <Badge tone="warn">Disconnected</Badge>}
    </span>
  );
}

function Lost() {
  const now = connection.value;
  if (now.state !== 'lost') return null;
  return (
    <div class="banner" data-state="lost">
      <p>
        <b>{now.error instanceof Problem ? inWords(now.error).title : 'The coordinator does not answer'}.</b>{' '}
        What is shown is of {formatClock(now.since)} and before; trainers keep what they hold. It is asked
        again by itself.
      </p>
      <button type="button" class="button" onClick={retryNow}>
        Try now
      </button>
    </div>
  );
}

function Unprotected() {
  if (fleet.value?.status.secured !== false) return null;
  return (
    <p class="small muted unprotected">
      <Badge tone="warn">Not protected</Badge> No token is configured: whoever reaches this port may do
      everything.
    </p>
  );
}
