/** Ratios: millrace's CPU per request over each other proxy's, round by round. */
import type { PeersResult } from '../result/result.js';

export interface Ratio {
  readonly name: string;
  /** One per round. */
  readonly samples: readonly number[];
}

export function ratios(result: PeersResult): Ratio[] {
  const ours = result.peers.find(({ name }) => name === 'millrace');
  if (ours === undefined) return [];
  return result.peers
    .filter(({ name }) => name !== 'millrace')
    .map(({ name, cpuUsPerRequest }) => ({
      name,
      samples: cpuUsPerRequest
        .map((theirs, round) => (ours.cpuUsPerRequest[round] ?? Number.NaN) / theirs)
        .filter((ratio) => Number.isFinite(ratio)),
    }))
    .filter(({ samples }) => samples.length > 0);
}
