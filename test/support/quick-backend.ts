/** QUICK_BACKEND: a backend of the bench that answers at once, however many ask. */
import type { BackendSettings } from '../../bench/backend/behaviour.js';

export const QUICK_BACKEND: BackendSettings = {
  latency: { distribution: 'CONSTANT', meanMs: 0, sigma: 0 },
  concurrency: 0,
  queue: 0,
  failures: null,
  speed: 1,
  bodyBytes: 16,
};
