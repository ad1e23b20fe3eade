/** TaggedLatencies: recent latencies of servers, kept apart by how many requests were in flight when each began. */

// A server's latency means something only together with its load: taken over all of them, an idle server looks as slow
// as it was when it was busy, so nobody uses it and nothing corrects that; the estimate runs away from the truth. So
// eight latencies are kept for each number of requests in flight, one by one up to 15 and two for each doubling from
// there; asked for is the median at the number nearest to the current one. It knows neither proxies nor clocks.

const SAMPLES = 8;
const BUCKETS = 32;
const BUCKET_INTS = 2 + SAMPLES;
// Of a server: which buckets have samples (bits), when the last one came (seconds), then the buckets.
const SERVER_HEAD = 2;
/** Int32s that a server needs. */
export const TAGGED_INTS = SERVER_HEAD + BUCKETS * BUCKET_INTS;
const LATENCY_MAX_US = 0x7fffffff;

export class TaggedLatencies {
  readonly #ints: Int32Array;
  readonly #expiryS: number;
  readonly #sorted = new Int32Array(SAMPLES);

  /** ints: TAGGED_INTS for each server, zero at first; may be shared. expiryUs: without a sample for so long, all are void. */
  constructor(ints: Int32Array, expiryUs: number) {
    this.#ints = ints;
    this.#expiryS = Math.ceil(expiryUs / 1e6);
  }

  /** rif: requests in flight there when this one began. Not for two threads at once. */
  record(server: number, rif: number, latencyUs: number, nowUs: number): void {
    const nowS = Math.floor(nowUs * 1e-6);
    const ints = this.#ints;
    const head = server * TAGGED_INTS;
    const bucket = bucketOf(rif);
    const at = head + SERVER_HEAD + bucket * BUCKET_INTS;
    if (nowS - (ints[head + 1] as number) > this.#expiryS) ints[head] = 0;
    const isFirst = ((ints[head] as number) & (1 << bucket)) === 0;
    const count = isFirst ? 0 : (ints[at] as number);
    ints[at + 2 + (count % SAMPLES)] = Math.min(Math.max(Math.round(latencyUs), 1), LATENCY_MAX_US);
    // Past twice SAMPLES it only matters where the next one goes.
    ints[at] = count + 1 === 2 * SAMPLES ? SAMPLES : count + 1;
    ints[at + 1] = this.#median(at + 2, count + 1 < SAMPLES ? count + 1 : SAMPLES);
    ints[head] = (ints[head] as number) | (1 << bucket);
    ints[head + 1] = nowS;
  }

  /** Microseconds: the median of the latest at this many in flight, or the nearest number with any; 0 = unknown. */
  estimate(server: number, rif: number, nowUs: number): number {
    const ints = this.#ints;
    const head = server * TAGGED_INTS;
    const known = ints[head] as number;
    if (known === 0 || nowUs * 1e-6 - (ints[head + 1] as number) > this.#expiryS + 1) return 0;
    const bucket = nearest(known, bucketOf(rif));
    return ints[head + SERVER_HEAD + bucket * BUCKET_INTS + 1] as number;
  }

  /** The lower one of an even number; insertion sort of at most eight. */
  #median(at: number, count: number): number {
    const ints = this.#ints;
    const sorted = this.#sorted;
    for (let i = 0; i < count; i++) {
      const value = ints[at + i] as number;
      let to = i;
      while (to > 0 && (sorted[to - 1] as number) > value) {
        sorted[to] = sorted[to - 1] as number;
        to--;
      }
      sorted[to] = value;
    }
    return sorted[(count - 1) >> 1] as number;
  }
}

/** 0 to 15 one by one; then [16, 24), [24, 32), [32, 48), ... and from 3072 on all. */
function bucketOf(rif: number): number {
  if (rif < 16) return rif;
  const octave = 31 - Math.clz32(rif);
  return Math.min(BUCKETS - 1, 16 + 2 * (octave - 4) + ((rif >> (octave - 1)) & 1));
}

/** The set bit nearest to a bucket; of two, the lower one. known is not 0. */
function nearest(known: number, bucket: number): number {
  // All ones up to the bucket; 2 << 31 is 0.
  const upTo = (2 << bucket) - 1;
  const below = known & upTo;
  const above = known & ~upTo;
  const lower = below === 0 ? -1 : 31 - Math.clz32(below);
  const upper = above === 0 ? -1 : 31 - Math.clz32(above & -above);
  if (lower < 0) return upper;
  return upper < 0 || bucket - lower <= upper - bucket ? lower : upper;
}
