/** Microseconds of the machine's monotonic clock: the same in every thread, unlike performance.now(). */
const SAMPLES = 20;

/** The largest of several: what comes between the two readings only makes it smaller. */
function offsetUs(): number {
  let offset = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < SAMPLES; i++)
    offset = Math.max(offset, Number(process.hrtime.bigint()) / 1000 - performance.now() * 1000);
  return offset;
}

const OFFSET_US = offsetUs();

export function monotonicUs(): number {
  return performance.now() * 1000 + OFFSET_US;
}
