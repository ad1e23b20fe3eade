/** LoadReport: what a generator thread counted and recorded. */

/** Histograms hold what was meant to be sent after the warm-up; counts hold everything. */
export interface LoadReport {
  readonly kind: 'open' | 'closed';
  readonly sent: number;
  /** Answers below 400. */
  readonly good: number;
  /** By status, or "timeout", "reset", "unanswered". */
  readonly errors: Readonly<Record<string, number>>;
  /** From the intended time to the end of the answer: good ones, and those given up with the time that they had. */
  readonly latencies: string;
  /** The same without what the backend says that it took: the proxy's share, and the network's. */
  readonly overheads: string;
  /** How late the generator itself sent, of requests that had not to wait for a free connection. */
  readonly lags: string;
  /** Answers by backend, errors too. */
  readonly byBackend: readonly number[];
  /** By the backend where a key was first answered: later answers under those keys, and those from elsewhere. */
  readonly keyed: readonly number[];
  readonly moved: readonly number[];
  /** From the first request meant to be sent to the last. */
  readonly seconds: number;
  /** Part of the time in which the thread worked, of several the busiest: near 1 it is what the figures are of. */
  readonly busy: number;
  /** Threads that made the load. */
  readonly generators: number;
}
