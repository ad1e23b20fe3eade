/** Picker: chooses an endpoint; built per endpoint list and thrown away with it. */
import type { Prng } from '../../base/prng.js';
import type { Head } from '../../http/head.js';
import type { RequestHash } from './request-hash.js';

// Laws: 1. pick() answers an index of the table that is pickable, or -1 when there is none. 2. An index whose bit is
// set in `tried` is answered only when every other pickable one was tried too. 3. pick() allocates nothing.
// 4. State that must survive a new list lives in the shared cells, never in the picker.

export interface Picker {
  /** tried: bits of indexes below 31 that this request used. */
  pick(hash: RequestHash, tried: number): number;
  /** What the policy learns from requests that ended; null = it learns nothing. */
  readonly feedback: Feedback | null;
  /** Who reads the load that endpoints report in response heads; absent = nobody. */
  readonly loadReports?: LoadReports | undefined;
  /** Who goes by answers to probes; absent = nobody. */
  readonly probed?: Probed | undefined;
}

/** It allocates nothing. */
export interface Probed {
  /** The final head of an answer of the endpoint of this row. */
  answered(row: number, head: Head): void;
  /** It failed, or was late. */
  unanswered(row: number): void;
}

/** Where pickers count what they decide. */
export interface BalancingCounters {
  /** index: of the CLUSTER scope. */
  count(index: number, amount: number): void;
}

/** What it reads is kept in shared cells too, and it allocates nothing. */
export interface LoadReports {
  /** The final head of a response of the endpoint of this row, or its trailers, as they came. */
  responseHead(row: number, head: Head): void;
}

/** What it learns is kept in shared cells by endpoint row, never in the picker (law 4). It allocates nothing. */
export interface Feedback {
  /**
   * A request that was sent to the endpoint of this row is over. latencyUs: from its stream to its response head, or to
   * its failure; what comes after the head is as slow as the client, or lasts as long as a tunnel. activeAtStart: other requests in flight there, in the whole process, when it began.
   */
  requestEnded(row: number, latencyUs: number, activeAtStart: number, isFailure: boolean): void;
}

/** True when index was tried already. */
export function wasTried(tried: number, index: number): boolean {
  return index < 31 && (tried & (1 << index)) !== 0;
}

/** Law 2 for policies that drew a tried index: the next pickable one from a random place that was not; else the drawn one. */
export function untriedInstead(pickable: Int32Array, drawn: number, tried: number, random: Prng): number {
  const from = random.below(pickable.length);
  for (let i = 0; i < pickable.length; i++) {
    const index = pickable[(from + i) % pickable.length] as number;
    if (!wasTried(tried, index)) return index;
  }
  return drawn;
}
