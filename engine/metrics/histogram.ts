/** The bucket arithmetic of an HdrHistogram with two significant digits over whole microseconds up to 71 minutes. */

// The layout equals HdrHistogram's counts array (lowest 1, 2 digits: 256 sub-buckets), so main can load the summed
// buckets into hdr-histogram-js as they are.
const SUB_BUCKET_BITS = 8;
const HALF = 1 << (SUB_BUCKET_BITS - 1);
/** 32-bit values: 24 doublings above the first 256 values. */
export const BUCKETS = (32 - SUB_BUCKET_BITS) * HALF + 2 * HALF;

/** Bucket of a value; fractions are cut, negatives count as 0, too large ones as the largest. */
export function bucketOf(value: number): number {
  const whole = value >= 4294967295 ? 4294967295 : value <= 0 ? 0 : value >>> 0;
  const shift = 32 - SUB_BUCKET_BITS - Math.clz32(whole);
  return shift <= 0 ? whole : shift * HALF + (whole >>> shift);
}

/** Smallest and largest value of a bucket. */
export function bucketLow(bucket: number): number {
  if (bucket < 2 * HALF) return bucket;
  const shift = Math.floor(bucket / HALF) - 1;
  return (HALF + (bucket % HALF)) * 2 ** shift;
}
export function bucketHigh(bucket: number): number {
  return bucketLow(bucket + 1) - 1;
}
