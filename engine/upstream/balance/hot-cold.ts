/** HotCold: Prequal's rule between servers: the cold one with the lowest latency; when all are hot, the lowest load. */

// "Load is not what you should balance" (NSDI 2024, arXiv 2312.10172). A server is hot when it has more requests in
// flight (RIF) than the Q-quantile of the RIFs seen lately. Q = 0: all are hot, only load counts. Q = 1: none is, only
// latency counts, and the fastest is drowned. It knows neither proxies nor clocks: the simulator runs this very file.

/** RIFs that the quantile is taken of; a power of two. */
const WINDOW = 64;
/** Larger ones count as this. */
const RIF_MAX = 4095;
const NEVER_HOT = 0x3fffffff;

export class HotCold {
  /** A RIF above it is hot; -1 = every one is. */
  threshold: number;
  readonly #quantile: number;
  readonly #window = new Int32Array(WINDOW);
  readonly #counts = new Int32Array(RIF_MAX + 1);
  /** RIFs in the window that are not above the threshold. */
  #cold = 0;
  #size = 0;
  #next = 0;

  /** quantile: Q of the paper, 0 to 1. */
  constructor(quantile: number) {
    this.#quantile = quantile;
    this.threshold = quantile < 1 ? -1 : NEVER_HOT;
  }

  /** A RIF that a probe, or a look, has found. Moves the threshold by what changed: O(1) while RIFs drift. */
  saw(rif: number): void {
    if (this.threshold === NEVER_HOT) return;
    const counts = this.#counts;
    const value = rif > RIF_MAX ? RIF_MAX : rif;
    if (this.#size === WINDOW) {
      const oldest = this.#window[this.#next] as number;
      counts[oldest] = (counts[oldest] as number) - 1;
      if (oldest <= this.threshold) this.#cold--;
    } else this.#size++;
    this.#window[this.#next] = value;
    this.#next = (this.#next + 1) & (WINDOW - 1);
    counts[value] = (counts[value] as number) + 1;
    if (value <= this.threshold) this.#cold++;
    const wanted = Math.ceil(this.#quantile * this.#size);
    while (this.#cold < wanted) this.#cold += counts[++this.threshold] as number;
    while (this.threshold >= 0 && this.#cold - (counts[this.threshold] as number) >= wanted)
      this.#cold -= counts[this.threshold--] as number;
  }

  isHot(rif: number): boolean {
    return rif > this.threshold;
  }

  /** Is the first to be preferred? latencyUs 0 = unknown, which is worth a try. */
  isBetter(rif: number, latencyUs: number, otherRif: number, otherLatencyUs: number): boolean {
    const isHot = this.isHot(rif);
    if (isHot !== this.isHot(otherRif)) return !isHot;
    if (isHot) return rif !== otherRif ? rif < otherRif : latencyUs < otherLatencyUs;
    return latencyUs !== otherLatencyUs ? latencyUs < otherLatencyUs : rif < otherRif;
  }
}
