/** Report: a result as one HTML file that needs nothing else. */
import type { Result } from '../result/result.js';

export function renderReport(result: Result): string {
  return `<!doctype html><title>millrace bench</title><pre>${JSON.stringify(result.machine)}</pre>`;
}
