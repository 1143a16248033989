import { contracts } from '../adapters.js';

contracts(() => process.env.REDIS_URL ?? '');
