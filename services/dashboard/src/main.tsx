import { render } from 'preact';
import { App } from './app.js';
import { followAddress } from './router.js';
import { goLive } from './state/live.js';
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/parts.css';
import './styles/charts.css';
import './styles/sheet.css';
import './styles/form.css';
import { applyTheme } from './theme.js';

applyTheme();
followAddress();
goLive();
const place = document.getElementById('app');
if (place !== null) render(<App />, place);
