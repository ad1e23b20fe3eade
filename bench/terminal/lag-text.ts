/** How late the generator itself was, in words: what can't be blamed on a proxy. */
import { figure } from './table.js';

/** The worst of several runs. */
export function lagText(lags: readonly (readonly number[])[]): string {
  const worst = (at: number): string => figure(Math.max(...lags.map((lag) => lag[at] as number)));
  return `${worst(0)} ms (p50) and ${worst(1)} ms (p99)`;
}
